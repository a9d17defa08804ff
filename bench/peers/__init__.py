"""What ``bench/peers.py`` is made of.

``workloads`` says what is trained, ``data`` on which rows, ``adapters`` how each library trains it,
``worker`` is the process of one library, ``race`` asks the workers in turn, ``show`` prints and
draws.
"""
