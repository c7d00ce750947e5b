/** Where to go after signing in: a path of this very origin, whatever the address bar asks for. */
export function safeNext(next: string | undefined): string {
  if (!next?.startsWith('/')) return '/'
  try {
    const url = new URL(next, window.location.origin)
    if (url.origin !== window.location.origin) return '/'
    return ['/sign-in', '/start', '/invitation', '/reset', '/sign-up'].includes(url.pathname)
      ? '/'
      : url.pathname + url.search + url.hash
  } catch {
    return '/'
  }
}
