// Before the first paint, so that a chosen theme does not flash; a file of its own, for the page's policy forbids inline scripts.
try {
  const theme = localStorage.getItem('headrace-theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Storage is forbidden here: the system's theme it is.
}
