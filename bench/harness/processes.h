// What processes have used, as /proc tells it.
#pragma once

struct used {
    double cpu_s;    // user and system
    double waited_s; // ready to run while others had the core
};

struct used processes_used(const int *pids, int count);
long processes_rss_kb(const int *pids, int count);
