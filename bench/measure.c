/*
 * Runs commands and says what they and every process they left behind cost.
 *
 *   measure [-u UID:GID] [-g CGROUP]... [-o OUTPUT] [-t SECONDS] COMMAND [ARG...]
 *   measure -s [...] COMMAND [ARG...] [-- COMMAND [ARG...]]...
 *   measure -s -n TIMES -j CALLERS [...] COMMAND [ARG...] [-- ...]
 *     -u  become this user first      -g  enter this cgroup first (a directory with cgroup.procs)
 *     -o  file that takes the command's stdout and stderr          -t  kill everything after this long
 *     -s  several commands, one after the other; the last one only when all that the others left behind has ended
 *         (create, start, the payload's end, delete)
 *     -n  all of that so many times, by -j callers side by side; `%` in an argument is the number of the turn
 *
 * Why not in Python: exec carries the peak memory of the process that forked over to the new program (exec_mmap in
 * the kernel's fs/exec.c), so a child of a 15 MiB interpreter never shows less than 15 MiB. This program is small.
 * With -s the time of a shell between the commands would count, too.
 *
 * It is the subreaper of all it starts, so also a daemonised child (conmon, a monitor, a shim) ends as our child and
 * its usage is counted. Prints one line of JSON:
 *   wall_us      until the last command itself ended      settled_us  until the last process that it left had ended
 *   cpu_us       user + system of all of them             rss_kib     the largest of them
 *   faults       of all of them, for which no disk was read
 *   left         processes that had to be killed because they were still there LINGER_S seconds later
 *   exit         the first exit code of a command that is not 0, 128 + n for a signal
 *   failed       turns in which a command failed
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

enum { MAX_CGROUPS = 8, MAX_COMMANDS = 8, MAX_WORDS = 64, MAX_CALLERS = 64, LINGER_S = 2, DEFAULT_LIMIT_S = 600 };
enum { FAILED = 125 };

struct options {
    const char *cgroups[MAX_CGROUPS], *output;
    int cgroup_count, limit_s, uid, gid, several, times, callers;
    char **commands[MAX_COMMANDS]; /* each ends with a null pointer */
    int command_count;
};

struct result {
    long long wall, settled, cpu;
    long rss, faults;
    int left, code, failed;
};

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

static void redirect(const struct options *o) {
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int keep = o->times > 1 || o->command_count > 1 ? O_APPEND : O_TRUNC;
    int out = open(o->output, O_WRONLY | O_CREAT | keep | O_CLOEXEC, 0666);
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

/* The words of a command, `%` replaced by the number of the turn. Never freed: our own life is short. */
static char **words_of(char **command, int number) {
    char **words = calloc(MAX_WORDS + 1, sizeof *words);
    for (int i = 0; command[i] && words; i++) {
        char *mark = strchr(command[i], '%');
        if (i >= MAX_WORDS) return NULL;
        if (!mark) words[i] = command[i];
        else if (asprintf(&words[i], "%.*s%d%s", (int)(mark - command[i]), command[i], number, mark + 1) < 0) return NULL;
    }
    return words;
}

static pid_t start(const struct options *o, char **command, int number) {
    char **words = o->times > 1 ? words_of(command, number) : command;
    if (!words) die("make the command");
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid) return pid;
    redirect(o);
    for (int i = 0; i < o->cgroup_count; i++) enter_cgroup(o->cgroups[i]);
    if (o->uid >= 0 && (setgroups(0, NULL) || setgid((gid_t)o->gid) || setuid((uid_t)o->uid))) die("become the user");
    execvp(words[0], words);
    die(words[0]);
    return -1;
}

/* Waits for `until`, or with 0 for all that we have; counts everything that ends meanwhile. */
static void gather(struct result *r, pid_t until, long long since) {
    for (;;) {
        struct rusage usage;
        int status;
        pid_t pid = wait4(-1, &status, 0, &usage);
        if (pid < 0 && errno == ECHILD) return;
        if (pid < 0 && errno == EINTR && alarmed) {
            r->left += kill_children();
            alarm(1);
            alarmed = 0;
            continue;
        }
        if (pid < 0) die("wait");
        r->settled = now_us() - since;
        r->cpu += cpu_us(&usage);
        r->faults += usage.ru_minflt;
        if (usage.ru_maxrss > r->rss) r->rss = usage.ru_maxrss;
        if (pid != until) continue;
        r->wall = r->settled;
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (!r->code) r->code = code;
        return;
    }
}

/* One turn: all commands. After a failure the later ones are run all the same, for they clear up. */
static void turn(const struct options *o, struct result *r, int number, long long since) {
    int before = r->code;
    r->code = 0;
    for (int i = 0; i < o->command_count; i++) {
        if (i && i == o->command_count - 1) {
            alarm((unsigned)LINGER_S);
            gather(r, 0, since);
        }
        alarm((unsigned)o->limit_s);
        gather(r, start(o, o->commands[i], number), since);
    }
    alarm((unsigned)LINGER_S);
    gather(r, 0, since);
    alarm(0);
    if (r->code) r->failed++;
    if (before) r->code = before;
}

static void add(struct result *sum, const struct result *r) {
    sum->cpu += r->cpu;
    sum->faults += r->faults;
    sum->left += r->left;
    sum->failed += r->failed;
    if (r->rss > sum->rss) sum->rss = r->rss;
    if (!sum->code) sum->code = r->code;
}

/* The turns, dealt out to callers; each says at its end what its turns cost. */
static struct result side_by_side(const struct options *o) {
    struct result sum = {0};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) die("make a pipe");
    long long since = now_us();
    for (int caller = 0; caller < o->callers; caller++) {
        pid_t pid = fork();
        if (pid < 0) die("fork");
        if (pid) continue;
        struct result r = {0};
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) die("become subreaper"); /* It is not inherited. */
        for (int number = caller; number < o->times; number += o->callers) turn(o, &r, number, since);
        if (write(ends[1], &r, sizeof r) != sizeof r) die("report");
        _exit(0);
    }
    close(ends[1]);
    struct result r;
    int heard = 0;
    for (; read(ends[0], &r, sizeof r) == sizeof r; heard++) add(&sum, &r);
    sum.wall = sum.settled = now_us() - since;
    while (wait(NULL) > 0) {}
    if (heard != o->callers) sum.code = FAILED;
    return sum;
}

static struct options parse(int argc, char **argv) {
    struct options o = {.output = "/dev/null", .limit_s = DEFAULT_LIMIT_S, .uid = -1, .gid = -1, .times = 1, .callers = 1};
    for (int flag; (flag = getopt(argc, argv, "+u:g:o:t:sn:j:")) != -1;) {
        if (flag == 'u' && sscanf(optarg, "%d:%d", &o.uid, &o.gid) == 2) continue;
        else if (flag == 'g' && o.cgroup_count < MAX_CGROUPS) o.cgroups[o.cgroup_count++] = optarg;
        else if (flag == 'o') o.output = optarg;
        else if (flag == 't') o.limit_s = atoi(optarg);
        else if (flag == 's') o.several = 1;
        else if (flag == 'n') o.times = atoi(optarg);
        else if (flag == 'j') o.callers = atoi(optarg);
        else exit(FAILED);
    }
    char **word = argv + optind;
    while (*word && o.command_count < MAX_COMMANDS) {
        o.commands[o.command_count++] = word;
        while (*word && !(o.several && !strcmp(*word, "--"))) word++;
        if (*word) *word++ = NULL;
    }
    if (!o.command_count || *word || o.times < 1 || o.callers < 1 || o.callers > MAX_CALLERS) exit(FAILED);
    return o;
}

int main(int argc, char **argv) {
    struct options o = parse(argc, argv);
    struct result r = {0};
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) die("become subreaper");
    struct sigaction action = {.sa_handler = on_alarm}; /* No SA_RESTART: the alarm has to interrupt wait4. */
    sigaction(SIGALRM, &action, NULL);
    if (o.times > 1) r = side_by_side(&o);
    else turn(&o, &r, 0, now_us());
    printf("{\"wall_us\":%lld,\"settled_us\":%lld,\"cpu_us\":%lld,\"rss_kib\":%ld,\"faults\":%ld,\"left\":%d,"
           "\"exit\":%d,\"failed\":%d}\n", r.wall, r.settled, r.cpu, r.rss, r.faults, r.left, r.code, r.failed);
    return 0;
}
