"""The curves of several runs, as a picture and as a page."""
