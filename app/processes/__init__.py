"""The processes that make up a running house: their heartbeats, the leases they hold, the jobs they had to set aside."""
