import { Problem } from '@/api/client'

interface FormErrors<F extends string> {
  /** What is wrong with each field of the form. */
  fields: Partial<Record<F, string>>
  /** What stands for the form as a whole: null where the fields say all of it. */
  rest: Error | null
}

/** Sorts what the server says of a request to the form's own fields, so that each is said once and none is lost. */
export function formErrors<F extends string>(error: Error | null, fields: readonly F[]): FormErrors<F> {
  const said = error instanceof Problem ? error.errors : {}
  const known: readonly string[] = fields
  const names = Object.keys(said)
  const complete = names.length > 0 && names.every((name) => known.includes(name))
  return { fields: said as Partial<Record<F, string>>, rest: complete ? null : error }
}
