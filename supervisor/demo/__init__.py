"""The demonstration: one morning of racing sessions, first with advisory coordination, then under Leasehold."""
