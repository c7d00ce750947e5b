import { WifiOff } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useLiveStatus } from '@/api/live'

const PATIENCE_MS = 1_500

/** Says quietly that changes come late just now. A connection that is back at once is not worth a word. */
export function LiveNotice() {
  const lost = useLiveStatus() === 'reconnecting'
  return <div role="status">{lost && <Notice />}</div>
}

function Notice() {
  const [shown, setShown] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), PATIENCE_MS)
    return () => clearTimeout(timer)
  }, [])
  if (!shown) return null
  return (
    <p className="fixed right-4 bottom-4 z-30 flex items-center gap-2 rounded-md border border-line bg-surface px-3 py-1.5 text-sm text-muted max-md:bottom-16">
      <WifiOff aria-hidden size={14} />
      Reconnecting; this page is renewed every 5 seconds
    </p>
  )
}
