"""The regression gate: does the code still compute what the committed baseline says?"""
