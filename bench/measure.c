/*
 * Runs one command and says what it and every process it left behind cost.
 *
 *   measure [-u UID:GID] [-g CGROUP]... [-o OUTPUT] [-t SECONDS] COMMAND [ARG...]
 *     -u  become this user first      -g  enter this cgroup first (a directory with cgroup.procs)
 *     -o  file that takes the command's stdout and stderr          -t  kill everything after this long
 *
 * Why not in Python: exec carries the peak memory of the process that forked over to the new program (exec_mmap in
 * the kernel's fs/exec.c), so a child of a 15 MiB interpreter never shows less than 15 MiB. This program is small.
 *
 * It is the subreaper of all it starts, so also a daemonised child (conmon, a monitor, a shim) ends as our child and
 * its usage is counted. Prints one line of JSON:
 *   wall_us      until the command itself ended      settled_us  until the last process that it left had ended
 *   cpu_us       user + system of all of them        rss_kib     the largest of them
 *   left         processes that had to be killed because they were still there LINGER_S seconds later
 *   exit         the command's exit code, 128 + n for a signal
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CGROUPS = 8, LINGER_S = 2, DEFAULT_LIMIT_S = 600, FAILED = 125 };

static volatile sig_atomic_t alarmed;
static void on_alarm(int signal) { (void)signal; alarmed = 1; }

static void die(const char *what) { fprintf(stderr, "measure: can't %s: %s\n", what, strerror(errno)); _exit(FAILED); }

static long long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long long cpu_us(const struct rusage *r) {
    return (r->ru_utime.tv_sec + r->ru_stime.tv_sec) * 1000000LL + r->ru_utime.tv_usec + r->ru_stime.tv_usec;
}

static void enter_cgroup(const char *dir) {
    char path[4096];
    snprintf(path, sizeof path, "%s/cgroup.procs", dir);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) die("enter the cgroup");
    close(fd);
}

static void redirect(const char *output) {
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (in < 0 || out < 0) die("open the output");
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) die("redirect");
}

/* Kills our direct children; their children become ours and are killed in the next round. */
static int kill_children(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    FILE *list = fopen(path, "re");
    int count = 0;
    for (int pid; list && fscanf(list, "%d", &pid) == 1; count++) kill(pid, SIGKILL);
    if (list) fclose(list);
    return count;
}

int main(int argc, char **argv) {
    const char *cgroups[MAX_CGROUPS], *output = "/dev/null";
    int cgroup_count = 0, limit_s = DEFAULT_LIMIT_S, uid = -1, gid = -1;
    for (int flag; (flag = getopt(argc, argv, "+u:g:o:t:")) != -1;) {
        if (flag == 'u' && sscanf(optarg, "%d:%d", &uid, &gid) == 2) continue;
        else if (flag == 'g' && cgroup_count < MAX_CGROUPS) cgroups[cgroup_count++] = optarg;
        else if (flag == 'o') output = optarg;
        else if (flag == 't') limit_s = atoi(optarg);
        else return FAILED;
    }
    if (optind >= argc) return FAILED;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) die("become subreaper");
    struct sigaction action = {.sa_handler = on_alarm}; /* No SA_RESTART: the alarm has to interrupt wait4. */
    sigaction(SIGALRM, &action, NULL);

    long long start = now_us();
    pid_t main_pid = fork();
    if (main_pid < 0) die("fork");
    if (main_pid == 0) {
        redirect(output);
        for (int i = 0; i < cgroup_count; i++) enter_cgroup(cgroups[i]);
        if (uid >= 0 && (setgroups(0, NULL) || setgid((gid_t)gid) || setuid((uid_t)uid))) die("become the user");
        execvp(argv[optind], argv + optind);
        die(argv[optind]);
    }

    long long wall = 0, settled = 0, cpu = 0;
    long rss = 0;
    int left = 0, code = FAILED, status;
    alarm((unsigned)limit_s);
    for (;;) {
        struct rusage usage;
        pid_t pid = wait4(-1, &status, 0, &usage);
        if (pid < 0 && errno == ECHILD) break;
        if (pid < 0 && errno == EINTR && alarmed) {
            left += kill_children();
            alarm(1);
            alarmed = 0;
            continue;
        }
        if (pid < 0) die("wait");
        settled = now_us() - start;
        cpu += cpu_us(&usage);
        if (usage.ru_maxrss > rss) rss = usage.ru_maxrss;
        if (pid != main_pid) continue;
        wall = settled;
        code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        alarm(LINGER_S);
    }
    printf("{\"wall_us\":%lld,\"settled_us\":%lld,\"cpu_us\":%lld,\"rss_kib\":%ld,\"left\":%d,\"exit\":%d}\n", wall,
           settled, cpu, rss, left, code);
    return 0;
}
