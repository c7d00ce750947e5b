import Anser, { type AnserJsonEntry } from 'anser'
import type { CSSProperties, ReactNode } from 'react'

/** The escape character's sequences that colour text; all other control characters are shown, not obeyed. */
const ESCAPE = '\u001b'

// What hides or turns around text: control characters but tab and line end, zero widths, direction marks.
const CONTROL =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g

/** Control characters as pictures or escapes, so that no log line can hide or turn around what it says. */
export function visible(text: string): string {
  return text.replace(CONTROL, (character) => {
    const code = character.charCodeAt(0)
    if (code < 0x20) return String.fromCharCode(0x2400 + code)
    return code === 0x7f ? '\u2421' : `\\u${code.toString(16).padStart(4, '0')}`
  })
}

/** A line end of another system is a line end. */
function lines(text: string): string {
  return text.replace(/\r\n/g, '\n')
}

/** Text with ANSI colours as React nodes: text only, never HTML. */
export function ansi(text: string): ReactNode {
  const clean = lines(text)
  if (!clean.includes(ESCAPE)) return visible(clean)
  return Anser.ansiToJson(clean, { remove_empty: true }).map((part, index) => {
    const style = styleOf(part)
    const content = visible(part.content)
    return style === undefined ? (
      content
    ) : (
      // The parts of one text never move.
      <span key={index} style={style}>
        {content}
      </span>
    )
  })
}

function styleOf(part: AnserJsonEntry): CSSProperties | undefined {
  const style: CSSProperties = {}
  const decorations = new Set<string>(part.decorations)
  const reverse = decorations.has('reverse')
  const ink = reverse ? part.bg : part.fg
  const paper = reverse ? part.fg : part.bg
  if (paper) {
    style.backgroundColor = `rgb(${paper})`
    style.color = isLight(paper) ? '#000' : '#fff'
  } else if (ink) {
    // The same hue, dark enough for light paper and light enough for dark paper.
    const hue = (lightness: string) => `oklch(from rgb(${ink}) ${lightness} c h)`
    style.color = `light-dark(${hue('min(l, 0.45)')}, ${hue('max(l, 0.78)')})`
  }
  if (decorations.has('bold')) style.fontWeight = 600
  if (decorations.has('italic')) style.fontStyle = 'italic'
  if (decorations.has('underline')) style.textDecoration = 'underline'
  if (decorations.has('strikethrough')) style.textDecoration = 'line-through'
  return Object.keys(style).length === 0 ? undefined : style
}

function isLight(rgb: string): boolean {
  const [red = 0, green = 0, blue = 0] = rgb.split(',').map(Number)
  return red * 0.299 + green * 0.587 + blue * 0.114 > 140
}
