/** The part of JSON Schema that parameters' types are written in. */
export interface Schema {
  type?: string | string[]
  title?: string
  description?: string
  format?: string
  enum?: unknown[]
  const?: unknown
  default?: unknown
  anyOf?: Schema[]
  items?: Schema | boolean
  prefixItems?: Schema[]
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  required?: string[]
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  $ref?: string | undefined
  $defs?: Record<string, Schema>
}

/** Which control asks for a value. `json` takes whatever no other one can. */
export type Control =
  | {
      kind: 'text' | 'date' | 'datetime' | 'time' | 'number' | 'integer' | 'boolean' | 'json'
      schema: Schema
    }
  | { kind: 'choice'; schema: Schema; options: unknown[] }
  | { kind: 'list'; schema: Schema; items: Schema }
  | { kind: 'object'; schema: Schema; fields: { name: string; schema: Schema; required: boolean }[] }
  | { kind: 'optional'; schema: Schema; inner: Schema }

const FORMATS: Partial<Record<string, 'date' | 'datetime' | 'time'>> = {
  date: 'date',
  'date-time': 'datetime',
  time: 'time',
}

/** Follows `$ref` into the definitions that came with the schema, and hands them on. */
function resolve(schema: Schema, definitions: Record<string, Schema> = {}): Schema {
  const known = { ...definitions, ...schema.$defs }
  const name = schema.$ref?.split('/').at(-1)
  const target = name === undefined ? undefined : known[name]
  if (target === undefined) return { ...schema, $defs: known }
  return { ...target, ...schema, $ref: target.$ref, $defs: known }
}

/** The schema of a part, which may refer to the definitions of the whole. */
export function part(whole: Schema, inner: Schema): Schema {
  return resolve(inner, whole.$defs)
}

/** How a value of this schema is asked for. */
export function controlOf(given: Schema, depth = 0): Control {
  const schema = resolve(given)
  if (depth > 4) return { kind: 'json', schema }
  if (schema.enum !== undefined) return choice(schema, schema.enum)
  if ('const' in schema) return choice(schema, [schema.const])
  const alternatives = schema.anyOf ?? typesOf(schema)
  if (alternatives !== undefined) return ofAlternatives(schema, alternatives)
  switch (schema.type) {
    case 'string':
      return { kind: (schema.format === undefined ? undefined : FORMATS[schema.format]) ?? 'text', schema }
    case 'integer':
    case 'number':
    case 'boolean':
      return { kind: schema.type, schema }
    case 'array':
      return ofArray(schema)
    case 'object':
      return ofObject(schema)
    default:
      return { kind: 'json', schema }
  }
}

function choice(schema: Schema, values: unknown[]): Control {
  const options = values.filter((value) => value !== null)
  if (options.length === values.length) return { kind: 'choice', schema, options }
  return { kind: 'optional', schema, inner: { ...schema, default: undefined, enum: options } }
}

/** `type: ["string", "null"]` says the same as `anyOf`. */
function typesOf(schema: Schema): Schema[] | undefined {
  return Array.isArray(schema.type) ? schema.type.map((type) => ({ ...schema, type })) : undefined
}

function ofAlternatives(schema: Schema, alternatives: Schema[]): Control {
  const others = alternatives.filter((one) => one.type !== 'null')
  const [only] = others
  if (only === undefined || others.length > 1) return { kind: 'json', schema }
  const inner = part(schema, only)
  return others.length === alternatives.length ? controlOf(inner) : { kind: 'optional', schema, inner }
}

function ofArray(schema: Schema): Control {
  if (schema.prefixItems !== undefined || typeof schema.items !== 'object') return { kind: 'json', schema }
  return { kind: 'list', schema, items: part(schema, schema.items) }
}

function ofObject(schema: Schema): Control {
  const properties = Object.entries(schema.properties ?? {})
  if (properties.length === 0) return { kind: 'json', schema }
  const required = new Set(schema.required)
  const fields = properties.map(([name, inner]) => ({
    name,
    schema: part(schema, inner),
    required: required.has(name),
  }))
  return { kind: 'object', schema, fields }
}

/** What a control starts with where nothing is given. */
export function blank(schema: Schema): unknown {
  const known = resolve(schema)
  if (known.default !== undefined) return known.default
  const control = controlOf(known)
  switch (control.kind) {
    case 'optional':
      return null
    case 'boolean':
      return false
    case 'choice':
      return control.options[0]
    case 'list':
      return []
    case 'object':
      return Object.fromEntries(
        control.fields.filter((field) => field.required).map((field) => [field.name, blank(field.schema)]),
      )
    case 'json':
      return schema.type === 'object' ? {} : schema.type === 'array' ? [] : undefined
    default:
      return undefined
  }
}

/** What a person would call the type. */
export function typeName(schema: Schema): string {
  const control = controlOf(schema)
  switch (control.kind) {
    case 'text':
      return control.schema.format ?? 'text'
    case 'datetime':
      return 'date and time'
    case 'choice':
      return 'one of ' + control.options.map((option) => JSON.stringify(option)).join(', ')
    case 'list':
      return `list of ${typeName(control.items)}`
    case 'optional':
      return `${typeName(control.inner)} or nothing`
    case 'integer':
      return 'whole number'
    case 'boolean':
      return 'yes or no'
    case 'json':
      return typeof schema.type === 'string' ? schema.type : 'JSON'
    default:
      return control.kind
  }
}

/** The limits that a schema sets, in words, for the line below a field. */
export function limits(schema: Schema): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, pattern } =
    resolve(schema)
  const said = [
    minimum === undefined ? '' : `at least ${minimum}`,
    maximum === undefined ? '' : `at most ${maximum}`,
    exclusiveMinimum === undefined ? '' : `more than ${exclusiveMinimum}`,
    exclusiveMaximum === undefined ? '' : `less than ${exclusiveMaximum}`,
    minLength === undefined ? '' : `${minLength} characters or more`,
    maxLength === undefined ? '' : `${maxLength} characters at most`,
    pattern === undefined ? '' : `matches ${pattern}`,
  ]
  return said.filter(Boolean).join(', ')
}
