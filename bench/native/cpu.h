/* What a process has spent so far, from the scheduler's own accounts, in nanoseconds.
 *
 * /proc/PID/stat counts ticks of 10 ms, far too coarse for a second's run; schedstat's first number is exact. Threads
 * that ended are not in it: servers measured here keep theirs.
 */
#ifndef CPU_H
#define CPU_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

static inline uint64_t cpu_spent_ns(int pid) {
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks) return 0;
    uint64_t total = 0;
    for (struct dirent *task; (task = readdir(tasks));) {
        if (task->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
        FILE *file = fopen(path, "r");
        unsigned long long spent;
        if (file && fscanf(file, "%llu", &spent) == 1) total += spent;
        if (file) fclose(file);
    }
    closedir(tasks);
    return total;
}

#endif
