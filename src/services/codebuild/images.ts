import type { Operation } from './operation.ts'

/** AWS API: "ListCuratedEnvironmentImages". Those that run here, on this host's own system. */
export const ListCuratedEnvironmentImages: Operation<'ListCuratedEnvironmentImages'> = async (ctx) => ({
  platforms: !(await ctx.compute.probe()).images.includes('host')
    ? []
    : [
        {
          platform: 'UBUNTU',
          languages: [
            {
              language: 'BASE',
              images: ['5.0', '6.0', '7.0'].map((version) => ({
                name: `aws/codebuild/standard:${version}`,
                description: 'Runs on the system of the host that Drydock runs on, with the programs installed there',
                versions: [`aws/codebuild/standard:${version}`],
              })),
            },
          ],
        },
        {
          platform: 'AMAZON_LINUX',
          languages: [
            {
              language: 'BASE',
              images: ['4.0', '5.0'].map((version) => ({
                name: `aws/codebuild/amazonlinux2-x86_64-standard:${version}`,
                description: 'Runs on the system of the host that Drydock runs on, with the programs installed there',
                versions: [`aws/codebuild/amazonlinux2-x86_64-standard:${version}`],
              })),
            },
          ],
        },
      ],
})
