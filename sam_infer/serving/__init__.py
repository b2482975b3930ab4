"""What a running server keeps: the work queue, caches, in-flight requests, prefetch."""
