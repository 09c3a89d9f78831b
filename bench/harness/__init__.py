"""Measures isolazi beside other engines; `bench/run` is the door, bench/README.md the explanation."""
