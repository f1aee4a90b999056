"""A newcomer who follows docs/tutorial.md to the letter: `make newcomer`, and an integration test of the suite.

How a block of the text is taken is said by the words behind its language (`blocks.py`); a block that nobody would run
or check is an error, so that none of the text can go stale unseen.
"""
