"""The only state of a server: work queue, caches, in-flight requests, prefetch. Asks predictors, never builds one."""
