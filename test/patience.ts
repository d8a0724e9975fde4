/**
 * Milliseconds that a test waits for what takes a moment on an idle machine. A wait is patience, no assertion of speed: a busy machine may be a
 * hundred times slower, and whoever asserts how long something takes measures it.
 */
export const PATIENCE_MILLIS = 30_000;
