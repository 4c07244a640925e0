// Spec: https://man7.org/linux/man-pages/man5/proc.5.html; schedstat: Documentation/scheduler/sched-stats.rst of Linux.
#include "processes.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Reads a small file of /proc/PID; "" where the process is gone.
static const char *contents(int pid, const char *name) {
    static char text[4096];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = open(path, O_RDONLY);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[size < 0 ? 0 : size] = 0;
    return text;
}

struct used processes_used(const int *pids, int count) {
    struct used sum = {0, 0};
    for (int place = 0; place < count; place++) {
        unsigned long user = 0, system = 0, ran_ns = 0, waited_ns = 0;
        const char *behind_name = strrchr(contents(pids[place], "stat"), ')');
        if (behind_name &&
            sscanf(behind_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
            sum.cpu_s += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
        if (sscanf(contents(pids[place], "schedstat"), "%lu %lu", &ran_ns, &waited_ns) == 2)
            sum.waited_s += (double)waited_ns / 1e9;
    }
    return sum;
}

long processes_rss_kb(const int *pids, int count) {
    long sum = 0;
    for (int place = 0; place < count; place++) {
        const char *line = strstr(contents(pids[place], "smaps_rollup"), "\nRss:");
        if (line) sum += atol(line + strlen("\nRss:"));
    }
    return sum;
}
