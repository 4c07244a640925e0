"""The families of markup, one file each: a file that exports `FAMILY` is one."""
