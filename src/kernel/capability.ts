/**
 * A need that is no AWS API: one service `provides` it, another `uses` it, both visible in their `index.ts`. The token
 * carries the type; it is declared in `src/services/capabilities.ts` so that no service imports another.
 */
export type Capability<T> = { readonly name: string; readonly type?: T }

export const capability = <T>(name: string): Capability<T> => ({ name })
