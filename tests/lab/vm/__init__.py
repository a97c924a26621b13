"""A lab host with a kernel of its own: qemu without KVM, for what a container cannot have."""
