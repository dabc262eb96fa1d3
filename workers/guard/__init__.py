"""The lease guard: system calls that would write are held by the kernel until they are decided."""
