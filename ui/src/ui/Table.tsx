import { type Key, type ReactNode } from 'react'
import { classes } from '@/ui/classes'

export interface Column<R> {
  title: string
  cell: (row: R) => ReactNode
  /** Numbers stand right, under each other. */
  numeric?: boolean
  /** Left out on screens narrower than this. */
  from?: 'sm' | 'md' | 'lg'
  /** The title is only read aloud. */
  quiet?: boolean
  className?: string
}

interface TableProps<R> {
  /** What the rows are: "Flows". */
  label: string
  columns: readonly Column<R>[]
  rows: readonly R[]
  rowKey: (row: R) => Key
}

const FROM = { sm: 'max-sm:hidden', md: 'max-md:hidden', lg: 'max-lg:hidden' }

/** A dense table. What does not fit a narrow screen is left out by column, and the rest scrolls in its own box. */
export function Table<R>({ label, columns, rows, rowKey }: TableProps<R>) {
  return (
    <div
      tabIndex={0}
      role="group"
      aria-label={label}
      className="relative overflow-x-auto rounded-md border border-line bg-surface"
    >
      <table className="w-full border-collapse text-left">
        <thead>
          <tr className="border-b border-line">
            {columns.map((column) => (
              <th
                key={column.title}
                scope="col"
                className={classes(
                  'h-9 px-3 text-sm font-medium whitespace-nowrap text-muted',
                  column.numeric && 'text-right',
                  column.from && FROM[column.from],
                )}
              >
                {column.quiet ? <span className="sr-only">{column.title}</span> : column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)} className="border-b border-line last:border-b-0 hover:bg-raised">
              {columns.map((column) => (
                <td
                  key={column.title}
                  className={classes(
                    'h-10 px-3 py-1.5',
                    column.numeric && 'tabular text-right',
                    column.from && FROM[column.from],
                    column.className,
                  )}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
