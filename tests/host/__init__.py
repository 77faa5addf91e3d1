"""The product on odd hosts: namespaces, control groups, other users, small and read-only file systems. These need root."""
