import { expect, test } from 'vitest'
import { Problem } from '@/api/client'
import { formErrors } from '@/frame/formErrors'

const problem = new Problem({
  status: 422,
  detail: 'two are wrong',
  errors: { name: 'taken', colour: 'unknown' },
})

test('what the fields say is not said again below the form', () => {
  expect(formErrors(problem, ['name', 'colour'])).toEqual({ fields: problem.errors, rest: null })
})

test('what no field can say is said below the form', () => {
  expect(formErrors(problem, ['name']).rest).toBe(problem)
  const broken = new Error('no answer')
  expect(formErrors(broken, ['name'])).toEqual({ fields: {}, rest: broken })
  expect(formErrors(null, ['name']).rest).toBeNull()
})
