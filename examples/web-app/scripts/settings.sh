# Read by the other scripts: where the application lives.
PATH=$PATH:/usr/local/bin:/usr/bin:/bin
APP=/opt/web-app
PID_FILE=/run/web-app.pid
LOG_FILE=/var/log/web-app.log
PORT=8080
export PATH PORT
