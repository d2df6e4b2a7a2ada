"""`make faults`: sales on a real stack, a fault at every step of their way, and the providers' books afterwards."""
