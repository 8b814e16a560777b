"""What the flows measure, and the process that gives it to Prometheus. docs/metrics.md has every metric."""
