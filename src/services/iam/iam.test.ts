import * as sdk from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { parsePolicy } from '../../policy/parse.ts'
import { awsManagedPolicies } from './aws-managed.ts'

let drydock: Story
let iam: sdk.IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
})
afterAll(() => drydock.close())

const account = '000000000000'
const arn = (rest: string) => `arn:aws:iam::${account}:${rest}`
const text = (document: object) => JSON.stringify(document)
const trust = text({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
})
const failure = (name: string, message: string) => expect.objectContaining({ name, message })

describe('users', () => {
  test('are created, told, renamed, tagged, deleted', async () => {
    const { User } = await iam.send(
      new sdk.CreateUserCommand({ UserName: 'Ann', Path: '/team/', Tags: [{ Key: 'Team', Value: 'red' }] }),
    )
    expect(User).toEqual({
      UserName: 'Ann',
      Path: '/team/',
      UserId: expect.stringMatching(/^AIDA[A-Z2-7]{17}$/),
      Arn: arn('user/team/Ann'),
      CreateDate: drydock.clock.now(),
      Tags: [{ Key: 'Team', Value: 'red' }],
    })
    await expect(iam.send(new sdk.CreateUserCommand({ UserName: 'ANN' }))).rejects.toThrow(
      failure('EntityAlreadyExistsException', 'User with name ANN already exists.'),
    )
    await iam.send(new sdk.UpdateUserCommand({ UserName: 'Ann', NewUserName: 'Anna', NewPath: '/' }))
    await expect(iam.send(new sdk.GetUserCommand({ UserName: 'Ann' }))).rejects.toThrow(
      failure('NoSuchEntityException', 'The user with name Ann cannot be found.'),
    )
    const renamed = await iam.send(new sdk.GetUserCommand({ UserName: 'anna' }))
    expect(renamed.User).toMatchObject({ UserId: User?.UserId, Arn: arn('user/Anna') })
    await iam.send(new sdk.TagUserCommand({ UserName: 'Anna', Tags: [{ Key: 'team', Value: 'blue' }] }))
    const { Tags } = await iam.send(new sdk.ListUserTagsCommand({ UserName: 'Anna' }))
    expect(Tags).toEqual([{ Key: 'team', Value: 'blue' }])
    const twice = [
      { Key: 'a', Value: '1' },
      { Key: 'A', Value: '2' },
    ]
    await expect(iam.send(new sdk.TagUserCommand({ UserName: 'Anna', Tags: twice }))).rejects.toMatchObject({
      name: 'InvalidInputException',
    })
    await iam.send(new sdk.UntagUserCommand({ UserName: 'Anna', TagKeys: ['TEAM'] }))
    expect((await iam.send(new sdk.ListUserTagsCommand({ UserName: 'Anna' }))).Tags).toEqual([])
    await iam.send(new sdk.DeleteUserCommand({ UserName: 'Anna' }))
    await expect(iam.send(new sdk.DeleteUserCommand({ UserName: 'Anna' }))).rejects.toMatchObject({
      name: 'NoSuchEntityException',
    })
  })

  test('are not deleted while something of theirs is left', async () => {
    const UserName = 'clingy'
    const { accessKeyId } = await drydock.user(UserName, [allow('s3:*')], ['arn:aws:iam::aws:policy/ReadOnlyAccess'])
    await iam.send(new sdk.CreateGroupCommand({ GroupName: 'clingers' }))
    await iam.send(new sdk.AddUserToGroupCommand({ GroupName: 'clingers', UserName }))
    const remove = () => iam.send(new sdk.DeleteUserCommand({ UserName }))
    const conflict = (what: string) => failure('DeleteConflictException', `Cannot delete entity, ${what} first.`)
    await expect(remove()).rejects.toThrow(conflict('must delete access keys'))
    await iam.send(new sdk.DeleteAccessKeyCommand({ UserName, AccessKeyId: accessKeyId }))
    await expect(remove()).rejects.toThrow(conflict('must delete policies'))
    await iam.send(new sdk.DeleteUserPolicyCommand({ UserName, PolicyName: 'policy-0' }))
    await expect(remove()).rejects.toThrow(conflict('must detach all policies'))
    const PolicyArn = 'arn:aws:iam::aws:policy/ReadOnlyAccess'
    await iam.send(new sdk.DetachUserPolicyCommand({ UserName, PolicyArn }))
    await expect(iam.send(new sdk.DetachUserPolicyCommand({ UserName, PolicyArn }))).rejects.toThrow(
      failure('NoSuchEntityException', `Policy ${PolicyArn} was not found.`),
    )
    await expect(remove()).rejects.toThrow(conflict('must remove users from group'))
    await expect(iam.send(new sdk.DeleteGroupCommand({ GroupName: 'clingers' }))).rejects.toThrow(
      conflict('must remove users from group'),
    )
    await iam.send(new sdk.RemoveUserFromGroupCommand({ GroupName: 'clingers', UserName }))
    await remove()
    await iam.send(new sdk.DeleteGroupCommand({ GroupName: 'clingers' }))
  })

  test('are listed by page and path', async () => {
    for (let index = 0; index < 7; index++)
      await iam.send(new sdk.CreateUserCommand({ UserName: `paged-${index}`, Path: '/paged/' }))
    const names: (string | undefined)[] = []
    let pages = 0
    for await (const page of sdk.paginateListUsers({ client: iam, pageSize: 3 }, { PathPrefix: '/paged/' })) {
      pages++
      names.push(...(page.Users ?? []).map(({ UserName }) => UserName))
    }
    expect(names).toEqual([0, 1, 2, 3, 4, 5, 6].map((index) => `paged-${index}`))
    expect(pages).toBe(3)
    await expect(iam.send(new sdk.ListUsersCommand({ Marker: 'nonsense!' }))).rejects.toMatchObject({
      name: 'ValidationError',
    })
  })

  test('without a name it is the caller; root’s has to be named', async () => {
    const keys = await drydock.user('self-service', [allow('iam:*', arn('user/self-service'))])
    const own = drydock.client(sdk.IAMClient, keys)
    expect((await own.send(new sdk.CreateAccessKeyCommand({}))).AccessKey?.UserName).toBe('self-service')
    expect((await own.send(new sdk.ListAccessKeysCommand({}))).AccessKeyMetadata).toHaveLength(2)
    await expect(iam.send(new sdk.CreateAccessKeyCommand({}))).rejects.toThrow(
      failure('ValidationError', 'Must specify userName when calling with non-User credentials'),
    )
    expect((await iam.send(new sdk.GetUserCommand({}))).User?.Arn).toBe(arn('root'))
  })
})

describe('groups', () => {
  test('give their members their policies, inline and managed', async () => {
    const keys = await drydock.user('member')
    const list = () => drydock.client(sdk.IAMClient, keys).send(new sdk.ListUsersCommand({}))
    const GroupName = 'readers'
    const { Group } = await iam.send(new sdk.CreateGroupCommand({ GroupName, Path: '/g/' }))
    expect(Group).toMatchObject({ Arn: arn('group/g/readers'), GroupId: expect.stringMatching(/^AGPA/) })
    await iam.send(new sdk.AddUserToGroupCommand({ GroupName, UserName: 'member' }))
    await iam.send(new sdk.AddUserToGroupCommand({ GroupName, UserName: 'member' }))
    await expect(list()).rejects.toMatchObject({ name: 'AccessDenied' })
    const PolicyDocument = text(allow('iam:ListUsers'))
    await iam.send(new sdk.PutGroupPolicyCommand({ GroupName, PolicyName: 'read', PolicyDocument }))
    await expect(list()).resolves.toBeDefined()
    await iam.send(new sdk.DeleteGroupPolicyCommand({ GroupName, PolicyName: 'read' }))
    await expect(list()).rejects.toMatchObject({ name: 'AccessDenied' })
    const PolicyArn = 'arn:aws:iam::aws:policy/IAMReadOnlyAccess'
    await iam.send(new sdk.AttachGroupPolicyCommand({ GroupName, PolicyArn }))
    await expect(list()).resolves.toBeDefined()
    const { Users } = await iam.send(new sdk.GetGroupCommand({ GroupName }))
    expect(Users?.map(({ UserName }) => UserName)).toEqual(['member'])
    const groups = await iam.send(new sdk.ListGroupsForUserCommand({ UserName: 'member' }))
    expect(groups.Groups?.map((group) => group.GroupName)).toEqual([GroupName])
    await iam.send(new sdk.RemoveUserFromGroupCommand({ GroupName, UserName: 'member' }))
    await expect(list()).rejects.toMatchObject({ name: 'AccessDenied' })
  })
})

describe('policies', () => {
  test('inline documents come back as given, URL-encoded; bad ones change nothing', async () => {
    const RoleName = 'inline'
    await iam.send(new sdk.CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust }))
    const PolicyDocument = `{ "Version": "2012-10-17",\n"Statement": [${text(allow('s3:Get*').Statement[0]!)}] }`
    await iam.send(new sdk.PutRolePolicyCommand({ RoleName, PolicyName: 'a', PolicyDocument }))
    const back = await iam.send(new sdk.GetRolePolicyCommand({ RoleName, PolicyName: 'a' }))
    expect(back.PolicyDocument).toMatch(/^%7B%20%22Version%22/)
    expect(back.PolicyDocument).toContain('Get%2A')
    expect(decodeURIComponent(back.PolicyDocument ?? '')).toBe(PolicyDocument)
    const put = (document: string) =>
      iam.send(new sdk.PutRolePolicyCommand({ RoleName, PolicyName: 'b', PolicyDocument: document }))
    await expect(put('{')).rejects.toThrow(failure('MalformedPolicyDocumentException', 'Syntax errors in policy.'))
    await expect(
      put(text({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*' }] })),
    ).rejects.toThrow(failure('MalformedPolicyDocumentException', 'Policy statement must contain resources.'))
    const big = text(
      allow(
        's3:*',
        Array.from({ length: 200 }, (_, index) => `arn:aws:s3:::${'x'.repeat(40)}${index}`),
      ),
    )
    await expect(put(big)).rejects.toThrow(
      failure('LimitExceededException', 'Maximum policy size of 10240 bytes exceeded for role inline'),
    )
    expect((await iam.send(new sdk.ListRolePoliciesCommand({ RoleName }))).PolicyNames).toEqual(['a'])
    await expect(iam.send(new sdk.GetRolePolicyCommand({ RoleName, PolicyName: 'b' }))).rejects.toThrow(
      failure('NoSuchEntityException', 'The role policy with name b cannot be found.'),
    )
  })

  test('managed ones have versions, of which one is in force', async () => {
    const keys = await drydock.user('versioned')
    const list = () => drydock.client(sdk.IAMClient, keys).send(new sdk.ListUsersCommand({}))
    const { Policy } = await iam.send(
      new sdk.CreatePolicyCommand({
        PolicyName: 'Versions',
        Path: '/p/',
        Description: 'd',
        PolicyDocument: text(allow('s3:*')),
      }),
    )
    const PolicyArn = Policy?.Arn ?? ''
    expect(Policy).toMatchObject({
      Arn: arn('policy/p/Versions'),
      PolicyId: expect.stringMatching(/^ANPA/),
      DefaultVersionId: 'v1',
      AttachmentCount: 0,
    })
    await iam.send(new sdk.AttachUserPolicyCommand({ UserName: 'versioned', PolicyArn }))
    await expect(list()).rejects.toMatchObject({ name: 'AccessDenied' })
    const PolicyDocument = text(allow('iam:ListUsers'))
    const second = await iam.send(new sdk.CreatePolicyVersionCommand({ PolicyArn, PolicyDocument }))
    expect(second.PolicyVersion).toMatchObject({ VersionId: 'v2', IsDefaultVersion: false })
    await expect(list()).rejects.toMatchObject({ name: 'AccessDenied' })
    await iam.send(new sdk.SetDefaultPolicyVersionCommand({ PolicyArn, VersionId: 'v2' }))
    await expect(list()).resolves.toBeDefined()
    const { PolicyVersion } = await iam.send(new sdk.GetPolicyVersionCommand({ PolicyArn, VersionId: 'v2' }))
    expect(decodeURIComponent(PolicyVersion?.Document ?? '')).toBe(PolicyDocument)
    await expect(iam.send(new sdk.DeletePolicyVersionCommand({ PolicyArn, VersionId: 'v2' }))).rejects.toThrow(
      failure('DeleteConflictException', 'Cannot delete the default version of a policy.'),
    )
    for (let count = 3; count <= 5; count++)
      await iam.send(new sdk.CreatePolicyVersionCommand({ PolicyArn, PolicyDocument, SetAsDefault: true }))
    await expect(iam.send(new sdk.CreatePolicyVersionCommand({ PolicyArn, PolicyDocument }))).rejects.toMatchObject({
      name: 'LimitExceededException',
    })
    const { Versions } = await iam.send(new sdk.ListPolicyVersionsCommand({ PolicyArn }))
    expect(Versions?.map(({ VersionId }) => VersionId)).toEqual(['v5', 'v4', 'v3', 'v2', 'v1'])
    const users = await iam.send(new sdk.ListEntitiesForPolicyCommand({ PolicyArn }))
    expect(users.PolicyUsers).toEqual([{ UserName: 'versioned', UserId: expect.stringMatching(/^AIDA/) }])
    expect((await iam.send(new sdk.GetPolicyCommand({ PolicyArn }))).Policy).toMatchObject({ AttachmentCount: 1 })
    await expect(iam.send(new sdk.DeletePolicyCommand({ PolicyArn }))).rejects.toThrow(
      failure('DeleteConflictException', 'Cannot delete a policy attached to entities.'),
    )
    await iam.send(new sdk.DetachUserPolicyCommand({ UserName: 'versioned', PolicyArn }))
    await expect(iam.send(new sdk.DeletePolicyCommand({ PolicyArn }))).rejects.toMatchObject({
      name: 'DeleteConflictException',
    })
    for (const VersionId of ['v1', 'v2', 'v3', 'v4'])
      await iam.send(new sdk.DeletePolicyVersionCommand({ PolicyArn, VersionId }))
    await iam.send(new sdk.DeletePolicyCommand({ PolicyArn }))
    await expect(iam.send(new sdk.GetPolicyCommand({ PolicyArn }))).rejects.toThrow(
      failure('NoSuchEntityException', `Policy ${PolicyArn} was not found.`),
    )
  })

  test('AWS’s own are there with their documents, all of which our parser takes', async () => {
    const all = await awsManagedPolicies()
    expect(all.length).toBeGreaterThan(1000)
    for (const { document } of all) expect(() => parsePolicy(document, 'identity')).not.toThrow()
    const PolicyArn = 'arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole'
    const { Policy } = await iam.send(new sdk.GetPolicyCommand({ PolicyArn }))
    const VersionId = Policy?.DefaultVersionId ?? ''
    const { PolicyVersion } = await iam.send(new sdk.GetPolicyVersionCommand({ PolicyArn, VersionId }))
    expect(JSON.parse(decodeURIComponent(PolicyVersion?.Document ?? ''))).toMatchObject({
      Statement: [{ Effect: 'Allow', Action: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'] }],
    })
    const wrongPath = 'arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole'
    await expect(iam.send(new sdk.GetPolicyCommand({ PolicyArn: wrongPath }))).rejects.toMatchObject({
      name: 'NoSuchEntityException',
    })
    const { Policies, IsTruncated } = await iam.send(new sdk.ListPoliciesCommand({ Scope: 'AWS', MaxItems: 10 }))
    expect(Policies).toHaveLength(10)
    expect(IsTruncated).toBe(true)
  })
})

describe('roles', () => {
  test('are created, changed, and deleted when nothing of theirs is left', async () => {
    const RoleName = 'changing'
    const { Role } = await iam.send(
      new sdk.CreateRoleCommand({ RoleName, Path: '/r/', AssumeRolePolicyDocument: trust, Description: 'one' }),
    )
    expect(Role).toMatchObject({
      Arn: arn('role/r/changing'),
      RoleId: expect.stringMatching(/^AROA/),
      MaxSessionDuration: 3600,
      AssumeRolePolicyDocument: expect.stringMatching(/^%7B%22Version/),
    })
    await iam.send(new sdk.UpdateRoleCommand({ RoleName, Description: 'two', MaxSessionDuration: 7200 }))
    const got = await iam.send(new sdk.GetRoleCommand({ RoleName }))
    expect(got.Role).toMatchObject({ Description: 'two', MaxSessionDuration: 7200 })
    const bad = (PolicyDocument: string) =>
      iam.send(new sdk.UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument }))
    await expect(bad('{')).rejects.toThrow(
      failure('MalformedPolicyDocumentException', 'This policy contains invalid Json'),
    )
    await expect(bad(text(allow('sts:AssumeRole')))).rejects.toThrow(
      failure('MalformedPolicyDocumentException', 'Missing required field Principal'),
    )
    await iam.send(new sdk.CreateInstanceProfileCommand({ InstanceProfileName: 'changing' }))
    await iam.send(new sdk.AddRoleToInstanceProfileCommand({ InstanceProfileName: 'changing', RoleName }))
    await expect(
      iam.send(new sdk.AddRoleToInstanceProfileCommand({ InstanceProfileName: 'changing', RoleName })),
    ).rejects.toMatchObject({ name: 'LimitExceededException' })
    const { InstanceProfile } = await iam.send(new sdk.GetInstanceProfileCommand({ InstanceProfileName: 'changing' }))
    expect(InstanceProfile).toMatchObject({
      Arn: arn('instance-profile/changing'),
      InstanceProfileId: expect.stringMatching(/^AIPA/),
      Roles: [{ RoleName }],
    })
    await expect(iam.send(new sdk.DeleteRoleCommand({ RoleName }))).rejects.toThrow(
      failure('DeleteConflictException', 'Cannot delete entity, must remove roles from instance profile first.'),
    )
    await expect(
      iam.send(new sdk.DeleteInstanceProfileCommand({ InstanceProfileName: 'changing' })),
    ).rejects.toMatchObject({ name: 'DeleteConflictException' })
    await iam.send(new sdk.RemoveRoleFromInstanceProfileCommand({ InstanceProfileName: 'changing', RoleName }))
    await iam.send(new sdk.DeleteInstanceProfileCommand({ InstanceProfileName: 'changing' }))
    await iam.send(new sdk.DeleteRoleCommand({ RoleName }))
  })

  test('passing one to EC2 needs iam:PassRole', async () => {
    const keys = await drydock.user('passer', [allow('iam:AddRoleToInstanceProfile')])
    const role = await drydock.role('passed', 'ec2.amazonaws.com')
    await iam.send(new sdk.CreateInstanceProfileCommand({ InstanceProfileName: 'passing' }))
    const add = () =>
      drydock
        .client(sdk.IAMClient, keys)
        .send(new sdk.AddRoleToInstanceProfileCommand({ InstanceProfileName: 'passing', RoleName: 'passed' }))
    await expect(add()).rejects.toThrow(
      failure(
        'AccessDenied',
        `User: ${arn('user/passer')} is not authorized to perform: iam:PassRole on resource: ${role} because no identity-based policy allows the iam:PassRole action`,
      ),
    )
    const condition = { StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' } }
    const PolicyDocument = text(allow('iam:PassRole', role, condition))
    await iam.send(new sdk.PutUserPolicyCommand({ UserName: 'passer', PolicyName: 'pass', PolicyDocument }))
    await add()
  })

  test('service-linked ones are their service’s', async () => {
    const AWSServiceName = 'autoscaling.amazonaws.com'
    const { Role } = await iam.send(new sdk.CreateServiceLinkedRoleCommand({ AWSServiceName }))
    const RoleName = 'AWSServiceRoleForAutoScaling'
    expect(Role?.Arn).toBe(arn(`role/aws-service-role/${AWSServiceName}/${RoleName}`))
    const { AttachedPolicies } = await iam.send(new sdk.ListAttachedRolePoliciesCommand({ RoleName }))
    expect(AttachedPolicies?.map(({ PolicyName }) => PolicyName)).toEqual(['AutoScalingServiceRolePolicy'])
    await expect(iam.send(new sdk.CreateServiceLinkedRoleCommand({ AWSServiceName }))).rejects.toMatchObject({
      name: 'InvalidInputException',
    })
    await expect(iam.send(new sdk.DeleteRoleCommand({ RoleName }))).rejects.toMatchObject({
      name: 'UnmodifiableEntityException',
    })
    const { DeletionTaskId } = await iam.send(new sdk.DeleteServiceLinkedRoleCommand({ RoleName }))
    const status = await iam.send(new sdk.GetServiceLinkedRoleDeletionStatusCommand({ DeletionTaskId }))
    expect(status.Status).toBe('SUCCEEDED')
    await expect(iam.send(new sdk.GetRoleCommand({ RoleName }))).rejects.toMatchObject({
      name: 'NoSuchEntityException',
    })
  })
})

test('Git credentials: two per user, the password told once', async () => {
  await iam.send(new sdk.CreateUserCommand({ UserName: 'gitta' }))
  const ask = { UserName: 'gitta', ServiceName: 'codecommit.amazonaws.com' }
  const first = (await iam.send(new sdk.CreateServiceSpecificCredentialCommand(ask))).ServiceSpecificCredential
  expect(first).toMatchObject({
    ServiceUserName: `gitta-at-${account}`,
    Status: 'Active',
    ServiceSpecificCredentialId: expect.stringMatching(/^ACCA/),
  })
  expect(first?.ServicePassword).toHaveLength(44)
  const second = (await iam.send(new sdk.CreateServiceSpecificCredentialCommand(ask))).ServiceSpecificCredential
  expect(second?.ServiceUserName).toBe(`gitta+1-at-${account}`)
  await expect(iam.send(new sdk.CreateServiceSpecificCredentialCommand(ask))).rejects.toMatchObject({
    name: 'LimitExceededException',
  })
  const listed = await iam.send(new sdk.ListServiceSpecificCredentialsCommand({ UserName: 'gitta' }))
  expect(listed.ServiceSpecificCredentials).toHaveLength(2)
  const all = await iam.send(new sdk.ListServiceSpecificCredentialsCommand({ AllUsers: true, MaxItems: 1 }))
  expect(all).toMatchObject({ ServiceSpecificCredentials: [{ UserName: 'gitta' }], IsTruncated: true })
  const rest = await iam.send(new sdk.ListServiceSpecificCredentialsCommand({ AllUsers: true, Marker: all.Marker }))
  expect(rest).toMatchObject({ ServiceSpecificCredentials: [{ UserName: 'gitta' }], IsTruncated: false })
  expect(JSON.stringify(listed)).not.toContain('Password')
  const ServiceSpecificCredentialId = first?.ServiceSpecificCredentialId
  const reset = await iam.send(
    new sdk.ResetServiceSpecificCredentialCommand({ UserName: 'gitta', ServiceSpecificCredentialId }),
  )
  expect(reset.ServiceSpecificCredential?.ServicePassword).not.toBe(first?.ServicePassword)
  await iam.send(new sdk.DeleteServiceSpecificCredentialCommand({ UserName: 'gitta', ServiceSpecificCredentialId }))
})

test('an account alias is one, and unique', async () => {
  await iam.send(new sdk.CreateAccountAliasCommand({ AccountAlias: 'harbour' }))
  await iam.send(new sdk.CreateAccountAliasCommand({ AccountAlias: 'harbour-two' }))
  expect((await iam.send(new sdk.ListAccountAliasesCommand({}))).AccountAliases).toEqual(['harbour-two'])
  await expect(iam.send(new sdk.CreateAccountAliasCommand({ AccountAlias: 'harbour-two' }))).rejects.toMatchObject({
    name: 'EntityAlreadyExistsException',
  })
  await iam.send(new sdk.DeleteAccountAliasCommand({ AccountAlias: 'harbour-two' }))
})

test('authorization details tell all, by kind and page', async () => {
  const details = await iam.send(new sdk.GetAccountAuthorizationDetailsCommand({ Filter: ['User'], MaxItems: 1000 }))
  const listed = await iam.send(new sdk.ListUsersCommand({ MaxItems: 1000 }))
  const details2 = [details.UserDetailList, details.RoleDetailList].map((list) => list?.length)
  expect(details2).toEqual([listed.Users?.length, 0])
  let count = 0
  for await (const page of sdk.paginateGetAccountAuthorizationDetails({ client: iam, pageSize: 5 }, {}))
    count += (page.UserDetailList?.length ?? 0) + (page.RoleDetailList?.length ?? 0)
  const roles = await iam.send(new sdk.ListRolesCommand({ MaxItems: 1000 }))
  expect(count).toBe((listed.Users?.length ?? 0) + (roles.Roles?.length ?? 0))
  const { SummaryMap } = await iam.send(new sdk.GetAccountSummaryCommand({}))
  expect(SummaryMap).toMatchObject({ Users: listed.Users?.length, Roles: roles.Roles?.length })
})
