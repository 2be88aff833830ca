"""Faults at random under load, while an oracle checks every answer: ``make chaos``.

versions      what may be served, and what must not be
oracle        which answers are right, and when
services      two gunicorns over one store
load          the clients, and what became of each of their requests
scene         all of these together, in which a fault happens
places        where the versions are kept: a folder, or a bucket
promotions, processes, clients, network    the faults
schedule      which of them happens when; the same for the same seed
table         what is printed
"""
