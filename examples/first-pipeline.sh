#!/usr/bin/env bash
# A pipeline for examples/web-app with the AWS CLI alone: roles, repository, bucket, build, instance, deployment group,
# pipeline, and the rule that starts it on a push. Nothing in here is Drydock's own: against AWS it needs a real AMI with
# the CodeDeploy agent, and a bucket name of your own.
set -euo pipefail
export AWS_PAGER=''

account=$(aws sts get-caller-identity --query Account --output text)
region=${AWS_REGION:-us-east-1}
bucket=first-pipeline-$account
role() { echo "arn:aws:iam::$account:role/$1"; }

make_role() { # name service [policy]
  aws iam create-role --role-name "$1" --query Role.Arn --output text --assume-role-policy-document \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"$2\"},\"Action\":\"sts:AssumeRole\"}}"
  [ -z "${3:-}" ] || aws iam put-role-policy --role-name "$1" --policy-name work --policy-document "$3"
}
allow() { # actions resources, each a JSON string or list
  echo "{\"Effect\":\"Allow\",\"Action\":$1,\"Resource\":$2}"
}
policy() { local IFS=,; echo "{\"Version\":\"2012-10-17\",\"Statement\":[$*]}"; }

objects="\"arn:aws:s3:::$bucket/*\""
make_role first-build codebuild.amazonaws.com "$(policy \
  "$(allow '["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"]' "\"arn:aws:logs:$region:$account:log-group:/aws/codebuild/first*\"")" \
  "$(allow '["s3:GetObject","s3:GetObjectVersion","s3:PutObject"]' "$objects")")"
make_role first-pipeline codepipeline.amazonaws.com "$(policy \
  "$(allow '["codecommit:GetBranch","codecommit:GetCommit","codecommit:UploadArchive","codecommit:GetUploadArchiveStatus"]' "\"arn:aws:codecommit:$region:$account:first\"")" \
  "$(allow '["s3:GetObject","s3:GetObjectVersion","s3:PutObject"]' "$objects")" \
  "$(allow '["codebuild:StartBuild","codebuild:BatchGetBuilds"]' "\"arn:aws:codebuild:$region:$account:project/first\"")" \
  "$(allow '["codedeploy:CreateDeployment","codedeploy:GetDeployment","codedeploy:GetDeploymentConfig","codedeploy:GetApplication","codedeploy:GetApplicationRevision","codedeploy:RegisterApplicationRevision"]' '"*"')")"
make_role first-deploy codedeploy.amazonaws.com
aws iam attach-role-policy --role-name first-deploy --policy-arn arn:aws:iam::aws:policy/service-role/AWSCodeDeployRole
make_role first-events events.amazonaws.com "$(policy "$(allow '"codepipeline:StartPipelineExecution"' "\"arn:aws:codepipeline:$region:$account:first\"")")"
make_role first-instance ec2.amazonaws.com "$(policy "$(allow '["s3:GetObject","s3:GetObjectVersion"]' "$objects")")"
aws iam create-instance-profile --instance-profile-name first-instance --query InstanceProfile.Arn --output text
aws iam add-role-to-instance-profile --instance-profile-name first-instance --role-name first-instance

aws codecommit create-repository --repository-name first --query repositoryMetadata.cloneUrlHttp --output text
aws s3api create-bucket --bucket "$bucket" --query Location --output text
aws s3api put-bucket-versioning --bucket "$bucket" --versioning-configuration Status=Enabled
aws codebuild create-project --name first --service-role "$(role first-build)" --query project.arn --output text \
  --source type=CODEPIPELINE --artifacts type=CODEPIPELINE \
  --environment type=LINUX_CONTAINER,image=aws/codebuild/standard:7.0,computeType=BUILD_GENERAL1_SMALL

group=$(aws ec2 create-security-group --group-name first --description 'First pipeline' --query GroupId --output text)
aws ec2 authorize-security-group-ingress --group-id "$group" --protocol tcp --port 8080 --cidr 0.0.0.0/0 --query Return
image=$(aws ec2 describe-images --owners amazon --query 'Images[0].ImageId' --output text)
instance=$(aws ec2 run-instances --image-id "$image" --instance-type t3.micro --security-group-ids "$group" \
  --iam-instance-profile Name=first-instance --tag-specifications 'ResourceType=instance,Tags=[{Key=Application,Value=first}]' \
  --query 'Instances[0].InstanceId' --output text)
aws ec2 wait instance-running --instance-ids "$instance"

aws deploy create-application --application-name first --query applicationId --output text
aws deploy create-deployment-group --application-name first --deployment-group-name production \
  --service-role-arn "$(role first-deploy)" --deployment-config-name CodeDeployDefault.AllAtOnce \
  --ec2-tag-filters Key=Application,Value=first,Type=KEY_AND_VALUE \
  --auto-rollback-configuration enabled=true,events=DEPLOYMENT_FAILURE --query deploymentGroupId --output text

aws codepipeline create-pipeline --query pipeline.name --output text --pipeline "{
  \"name\": \"first\", \"roleArn\": \"$(role first-pipeline)\",
  \"artifactStore\": {\"type\": \"S3\", \"location\": \"$bucket\"},
  \"stages\": [
    {\"name\": \"Source\", \"actions\": [{\"name\": \"Source\",
      \"actionTypeId\": {\"category\": \"Source\", \"owner\": \"AWS\", \"provider\": \"CodeCommit\", \"version\": \"1\"},
      \"configuration\": {\"RepositoryName\": \"first\", \"BranchName\": \"main\", \"PollForSourceChanges\": \"false\"},
      \"outputArtifacts\": [{\"name\": \"SourceOutput\"}]}]},
    {\"name\": \"Build\", \"actions\": [{\"name\": \"Build\",
      \"actionTypeId\": {\"category\": \"Build\", \"owner\": \"AWS\", \"provider\": \"CodeBuild\", \"version\": \"1\"},
      \"configuration\": {\"ProjectName\": \"first\"},
      \"inputArtifacts\": [{\"name\": \"SourceOutput\"}], \"outputArtifacts\": [{\"name\": \"BuildOutput\"}]}]},
    {\"name\": \"Deploy\", \"actions\": [{\"name\": \"Deploy\",
      \"actionTypeId\": {\"category\": \"Deploy\", \"owner\": \"AWS\", \"provider\": \"CodeDeploy\", \"version\": \"1\"},
      \"configuration\": {\"ApplicationName\": \"first\", \"DeploymentGroupName\": \"production\"},
      \"inputArtifacts\": [{\"name\": \"BuildOutput\"}]}]}
  ]}"
aws events put-rule --name first --query RuleArn --output text --event-pattern "{
  \"source\": [\"aws.codecommit\"], \"detail-type\": [\"CodeCommit Repository State Change\"],
  \"resources\": [\"arn:aws:codecommit:$region:$account:first\"],
  \"detail\": {\"event\": [\"referenceCreated\", \"referenceUpdated\"], \"referenceType\": [\"branch\"], \"referenceName\": [\"main\"]}}"
aws events put-targets --rule first --query FailedEntryCount \
  --targets "Id=pipeline,Arn=arn:aws:codepipeline:$region:$account:first,RoleArn=$(role first-events)"

address=$(aws ec2 describe-instances --instance-ids "$instance" --query 'Reservations[0].Instances[0].PublicIpAddress' --output text)
echo "Push to the repository first, branch main; the application will answer at http://$address:8080"
