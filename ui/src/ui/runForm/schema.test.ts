import { describe, expect, test } from 'vitest'
import { collect, entriesOf, errorFor, otherErrors, read } from './draft'
import { blank, controlOf, limits, type Schema, typeName } from './schema'

describe('the control for a schema', () => {
  test.each<[string, Schema]>([
    ['text', { type: 'string' }],
    ['text', { type: 'string', format: 'uuid' }],
    ['datetime', { type: 'string', format: 'date-time' }],
    ['date', { type: 'string', format: 'date' }],
    ['integer', { type: 'integer' }],
    ['number', { type: 'number' }],
    ['boolean', { type: 'boolean' }],
    ['choice', { enum: ['a', 'b'] }],
    ['choice', { const: 3 }],
    ['optional', { enum: ['a', null] }],
    ['optional', { anyOf: [{ type: 'integer' }, { type: 'null' }] }],
    ['optional', { type: ['string', 'null'] }],
    ['json', { anyOf: [{ type: 'integer' }, { type: 'string' }] }],
    ['list', { type: 'array', items: { type: 'string' } }],
    ['json', { type: 'array' }],
    ['json', { type: 'array', prefixItems: [{ type: 'string' }], items: false }],
    ['object', { type: 'object', properties: { a: {} } }],
    ['json', { type: 'object', additionalProperties: { type: 'integer' } }],
    ['json', {}],
  ])('is %s for %j', (kind, schema) => {
    expect(controlOf(schema).kind).toBe(kind)
  })

  test('follows references, those inside a part too', () => {
    const schema: Schema = {
      $ref: '#/$defs/Row',
      $defs: {
        Row: { type: 'object', properties: { unit: { $ref: '#/$defs/Unit' } }, required: ['unit'] },
        Unit: { enum: ['mm', 'inch'] },
      },
    }
    const control = controlOf(schema)
    if (control.kind !== 'object') throw new Error(control.kind)
    expect(
      control.fields.map(({ name, required, schema: inner }) => [name, required, controlOf(inner).kind]),
    ).toEqual([['unit', true, 'choice']])
    expect(blank(schema)).toEqual({ unit: 'mm' })
  })

  test('says its type and limits in words', () => {
    expect(typeName({ type: 'array', items: { anyOf: [{ type: 'integer' }, { type: 'null' }] } })).toBe(
      'list of whole number or nothing',
    )
    expect(limits({ type: 'integer', minimum: 1, exclusiveMaximum: 5 })).toBe('at least 1, less than 5')
  })
})

describe('what is typed', () => {
  test.each([
    ['integer', '12', { value: 12 }],
    ['integer', '1.5', { error: 'Give a whole number.' }],
    [
      'integer',
      '99999999999999999999',
      { error: 'This number is too large to be sent exactly from a browser.' },
    ],
    ['number', ' 1e3 ', { value: 1000 }],
    ['number', 'much', { error: 'Give a number.' }],
    ['json', '{"a": [1]}', { value: { a: [1] } }],
  ] as const)('%s %s', (kind, text, reading) => {
    expect(read(kind, text)).toEqual(reading)
  })

  test('is told apart from JSON with the fix', () => {
    expect(read('json', "{'a': 1}")).toHaveProperty('error', expect.stringContaining('double quotes'))
  })
})

describe('what is sent', () => {
  const parameters = [
    { name: 'year', required: true, schema: { type: 'integer' } },
    { name: 'city', required: false, default: 'Oslo', schema: { type: 'string' } },
  ]

  test('leaves out what is not given, so that the flow’s own default counts', () => {
    expect(collect(parameters, entriesOf(parameters, { year: 2014 })).values).toEqual({ year: 2014 })
    expect(collect(parameters, entriesOf(parameters, { year: 1, city: 'Rome' })).values).toEqual({
      year: 1,
      city: 'Rome',
    })
  })

  test('needs what is required', () => {
    expect(collect(parameters, entriesOf(parameters, {})).errors).toEqual({
      year: 'This parameter needs a value.',
    })
  })
})

describe('an error of the server', () => {
  const errors = {
    'parameters.rows[2].name': 'is too long',
    labels: 'are too many',
    'parameters.gone': 'is unknown',
  }

  test('stands beside its field', () => {
    expect(errorFor(errors, 'rows.2.name', true)).toBe('is too long')
    expect(errorFor(errors, 'rows', true)).toBe('is too long')
    expect(errorFor(errors, 'rows', false)).toBeUndefined()
    expect(errorFor(errors, 'labels', true)).toBe('are too many')
  })

  test('without a field is said all the same', () => {
    expect(otherErrors(errors, ['rows', 'labels'])).toEqual(['parameters.gone: is unknown'])
  })
})
