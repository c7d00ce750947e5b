import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { send } from '@/api/client'
import type {
  DeleteFlowRunData,
  FlowRun,
  MarkFlowRunData,
  PauseFlowRunData,
  PreviewRerunData,
  RejectFlowRunData,
  RerunFlowRunData,
  RerunPreview,
} from '@/api/generated'
import { useRunChange } from '@/api/runs'

/** What a re-run is asked for with, besides its run. */
export type RerunRequest = Pick<RerunFlowRunData['body'], 'tasks' | 'from_start' | 'parameters' | 'version'>

type Given<D extends { body: unknown }> = D['body'] & { flowRunId: string }

export function rerunPreviewQuery(flowRunId: string, body: RerunRequest) {
  return queryOptions({
    queryKey: ['flow_run', flowRunId, 'rerun', body],
    queryFn: () =>
      send<PreviewRerunData, RerunPreview>('POST', '/api/flow_runs/{flow_run_id}/rerun/preview', {
        path: { flow_run_id: flowRunId },
        body,
      }),
    placeholderData: keepPreviousData,
    retry: false,
  })
}

export function useRerunFlowRun() {
  return useRunChange(({ flowRunId, ...body }: Given<RerunFlowRunData>) =>
    send<RerunFlowRunData, FlowRun>('POST', '/api/flow_runs/{flow_run_id}/rerun', {
      path: { flow_run_id: flowRunId },
      body,
    }),
  )
}

export function usePauseFlowRun() {
  return useRunChange(({ flowRunId, ...body }: Given<PauseFlowRunData>) =>
    send<PauseFlowRunData, FlowRun>('POST', '/api/flow_runs/{flow_run_id}/pause', {
      path: { flow_run_id: flowRunId },
      body,
    }),
  )
}

export function useRejectFlowRun() {
  return useRunChange(({ flowRunId, ...body }: Given<RejectFlowRunData>) =>
    send<RejectFlowRunData, FlowRun>('POST', '/api/flow_runs/{flow_run_id}/reject', {
      path: { flow_run_id: flowRunId },
      body,
    }),
  )
}

export function useMarkFlowRun() {
  return useRunChange(({ flowRunId, ...body }: Given<MarkFlowRunData>) =>
    send<MarkFlowRunData, FlowRun>('POST', '/api/flow_runs/{flow_run_id}/mark', {
      path: { flow_run_id: flowRunId },
      body,
    }),
  )
}

export function useDeleteFlowRun() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (flowRunId: string) =>
      send<DeleteFlowRunData, unknown>('DELETE', '/api/flow_runs/{flow_run_id}', {
        path: { flow_run_id: flowRunId },
      }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['flow_runs'] }),
  })
}
