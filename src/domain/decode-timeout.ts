/**
 * Causes of the warning `decode_timeout`, for the operator's metrics and logs only: callers get the one name, and the cache
 * treats all causes alike.
 */
export const decodeTimeoutCauses = {
  time_limit: "a worker did not finish within the time limit, and was killed",
  queue_full: "the decode queue rejected the body, and only its head was read",
  lane_full: "the queue of the lane into the worker pool was full",
  workers_busy: "no worker was idle within the time limit",
  no_worker: "no worker was running within the time limit; the log has the reason if none could start",
  worker_lost: "workers ended or hung before they accepted the body",
  poster: "ffmpeg did not decode a frame of a video within the time limit, or its queue was full",
  closing: "the service was closing",
  cancelled: "the result was no longer needed",
} as const;

export type DecodeTimeoutCause = keyof typeof decodeTimeoutCauses;
