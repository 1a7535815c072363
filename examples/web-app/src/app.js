const page = (version) => `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>Web app</title>
  <h1>It works</h1>
  <p>This is version <b>${version}</b>.</p>
</html>
`

/** What the application answers to a method and a path. */
export const answer = (method, path, version) => {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: 'text/plain', body: 'Method not allowed\n' }
  switch (path) {
    case '/':
      return { status: 200, type: 'text/html; charset=utf-8', body: page(version) }
    case '/version':
      return { status: 200, type: 'text/plain', body: `${version}\n` }
    case '/health':
      return { status: 200, type: 'application/json', body: JSON.stringify({ status: 'ok', version }) }
    default:
      return { status: 404, type: 'text/plain', body: 'Not found\n' }
  }
}
