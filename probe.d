probe.o: /tmp/tmpi_l1jt1w/probe.c
