import { render } from '@testing-library/react'
import { describe, expect, test } from 'vitest'
import { ansi, visible } from './ansi'

const html = (text: string) => render(<p>{ansi(text)}</p>).container

describe('a log message', () => {
  test('is text, never HTML', () => {
    const shown = html('\u001b[31m<img src=x onerror=alert(1)>\u001b[0m <b>bold</b>')
    expect(shown.querySelector('img, b')).toBeNull()
    expect(shown.textContent).toBe('<img src=x onerror=alert(1)> <b>bold</b>')
  })

  test('has its colours', () => {
    const shown = html('plain \u001b[1;31mred\u001b[0m \u001b[44;37mblue\u001b[0m')
    const [red, blue] = shown.querySelectorAll('span')
    expect(red).toHaveTextContent('red')
    expect(red?.style.fontWeight).toBe('600')
    expect(blue?.style.backgroundColor).toBe('rgb(0, 0, 187)')
    expect(blue?.style.color).toBe('#fff')
    expect(shown.textContent).toBe('plain red blue')
  })

  test('cannot hide or turn around what it says', () => {
    expect(visible('a\u0007b\u202ec\u200bd\u0000e\u007f')).toBe('a␇b\\u202ec\\u200bd␀e␡')
  })

  test('keeps its lines and tabs', () => {
    expect(html('one\r\n\ttwo\nthree').textContent).toBe('one\n\ttwo\nthree')
  })

  test('loses sequences that would move a terminal’s cursor', () => {
    expect(html('\u001b[2Jgone\u001b[1A').textContent).toBe('gone')
  })
})
