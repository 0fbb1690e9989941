"""The commands: flags, exit codes, and the entry points that pip installs."""
