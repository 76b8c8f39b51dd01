"""Units of memory. GiB and GB differ by 7.4 %, more than the margin of several configurations."""

MIB = 2**20
GIB = 2**30
MB = 10**6
GB = 10**9
