import type { Operator, Scalar } from './value.ts'

// An expression as the parser understands it.

export type Name = { readonly name: string; readonly quoted: boolean }
/** A step into a struct or list. */
export type Step = Name | { readonly index: number }
/** A step of FROM: also into all elements or members. */
export type FromStep = Step | { readonly every: 'element' | 'member' }

export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>='
export type CastType = 'bool' | 'int' | 'float' | 'string' | 'decimal' | 'timestamp'
export type Aggregate = 'avg' | 'count' | 'max' | 'min' | 'sum'

export type Expression =
  | { readonly kind: 'literal'; readonly value: Scalar }
  | { readonly kind: 'missing' }
  | { readonly kind: 'list'; readonly of: readonly Expression[] }
  | { readonly kind: 'path'; readonly root: Name; readonly steps: readonly Step[] }
  | { readonly kind: 'step'; readonly of: Expression; readonly steps: readonly Step[] }
  | { readonly kind: 'not' | 'negate' | 'positive'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Expression[] }
  | {
      readonly kind: 'chain'
      readonly first: Expression
      readonly rest: readonly { readonly operator: Operator | '||'; readonly by: Expression }[]
    }
  | { readonly kind: 'compare'; readonly operator: Comparison; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'between'; readonly of: Expression; readonly low: Expression; readonly high: Expression }
  | { readonly kind: 'in'; readonly of: Expression; readonly among: readonly Expression[] }
  | { readonly kind: 'like'; readonly of: Expression; readonly pattern: Expression; readonly escape?: Expression }
  | { readonly kind: 'is'; readonly of: Expression; readonly what: 'null' | 'missing' | 'true' | 'false' }
  | {
      readonly kind: 'case'
      readonly of?: Expression
      readonly when: readonly { readonly condition: Expression; readonly result: Expression }[]
      readonly otherwise?: Expression
    }
  | { readonly kind: 'cast'; readonly of: Expression; readonly to: CastType }
  | { readonly kind: 'aggregate'; readonly name: Aggregate; readonly of?: Expression }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[]; readonly part?: string }

export type Item =
  | { readonly kind: 'expression'; readonly expression: Expression; readonly name: string }
  /** `alias.*` */
  | { readonly kind: 'all'; readonly of: Expression }

export type Query = {
  /** Undefined: `*`. */
  readonly items: readonly Item[] | undefined
  /** Into each root value; undefined where FROM names the object alone. */
  readonly from: readonly FromStep[] | undefined
  readonly alias: Name
  readonly where?: Expression
  readonly limit?: number
  /** How many parts it has: what evaluating it costs. */
  readonly size: number
}
