/*
 * The floor: the system calls no container run can avoid, and nothing else.
 *
 * No image store, no specification, no user, no capabilities, no seccomp filter, no log, no error texts worth the
 * name. What a real engine needs beyond this program's time is its own doing. One run is: make upper and work
 * directories, clone into new namespaces, mount the root and what belongs in it, pivot, exec; wait, remove.
 *
 *   floor [options] LOWER STATE COMMAND [ARG...]
 *     LOWER   a root file system, used read-only as the overlay's lower layer
 *     STATE   a directory of ours; upper/ work/ root/ are made in it and removed again
 *     -v      mount the overlay `volatile`: an unmount that does not wait for the disk (Linux 5.10)
 *     -n      keep the host's network namespace
 *     -d      the mounts, devices, masked and read-only paths that Docker gives a container
 *     -c DIR  make DIR, a new cgroup in a v2 hierarchy, and clone straight into it (Linux 5.7)
 *     -1 DIR  make DIR, a new cgroup in a v1 hierarchy, and join it; may be repeated
 *
 * Exit code: the command's, 128 + n for a signal, 125 if a call failed (the call's name and errno go to stderr).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OURS = 125 };
enum { PATH_BYTES = 4096, MAX_CGROUPS = 32 };

struct options {
    int is_volatile, host_network, docker_like;
    const char *cgroup, *lower, *state, *v1[MAX_CGROUPS];
    int v1_count;
    char **command;
};

static void must(int result, const char *call, const char *object) {
    if (result >= 0) return;
    fprintf(stderr, "floor: can't %s `%s`: %s\n", call, object, strerror(errno));
    _exit(OURS);
}

static void mount_at(const char *type, const char *target, unsigned long flags, const char *data) {
    must(mount(type, target, type, flags, data), "mount", target);
}

static void make_dir(const char *path) { must(mkdir(path, 0755), "mkdir", path); }

/* The overlay and the three file systems every program expects. The working directory is STATE. */
static void mount_root(const struct options *o) {
    char data[PATH_BYTES];
    int length = snprintf(data, sizeof data, "lowerdir=%s,upperdir=upper,workdir=work%s", o->lower,
                          o->is_volatile ? ",volatile" : "");
    if (length >= (int)sizeof data) { errno = ENAMETOOLONG; must(-1, "mount", o->lower); }
    must(mount("", "/", NULL, MS_PRIVATE | MS_REC, NULL), "make private", "/");
    mount_at("overlay", "root", 0, data);
    must(chdir("root"), "chdir", "root");
    mount_at("proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_at("tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
    mount_at("sysfs", "sys", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL);
}

static void bind_over(const char *source, const char *target, unsigned long more) {
    if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0) {
        if (errno == ENOENT) return; /* Not every kernel has every path that Docker hides. */
        must(-1, "bind", target);
    }
    if (more) must(mount("", target, NULL, MS_BIND | MS_REMOUNT | more, NULL), "remount", target);
}

/* Docker's further mounts, its devices and links. The working directory is the new root. */
static void add_docker_mounts(void) {
    static const struct { const char *name; int major, minor; } devices[] = {
        {"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7},
        {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0},
    };
    static const char *links[][2] = {
        {"/proc/self/fd", "dev/fd"}, {"/proc/self/fd/0", "dev/stdin"}, {"/proc/self/fd/1", "dev/stdout"},
        {"/proc/self/fd/2", "dev/stderr"}, {"/proc/kcore", "dev/core"}, {"pts/ptmx", "dev/ptmx"},
    };
    const unsigned long strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;

    umask(0);
    make_dir("dev/pts");
    mount_at("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    make_dir("dev/mqueue");
    mount_at("mqueue", "dev/mqueue", strict, NULL);
    make_dir("dev/shm");
    mount_at("tmpfs", "dev/shm", strict, "mode=1777,size=65536k");
    mount_at("cgroup2", "sys/fs/cgroup", strict | MS_RDONLY, NULL);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        must(mknod(devices[i].name, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)), "mknod",
             devices[i].name);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        must(symlink(links[i][0], links[i][1]), "symlink", links[i][1]);
}

/* /etc/hosts, /etc/hostname and /etc/resolv.conf: a file of ours bound over the image's. */
static void bind_etc_files(void) {
    static const char *files[] = {"etc/hosts", "etc/hostname", "etc/resolv.conf"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int fd = open(files[i], O_CREAT | O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
        must(fd, "open", files[i]);
        close(fd);
        must(mount("../etc-file", files[i], NULL, MS_BIND, NULL), "bind", files[i]);
    }
}

/* Docker's masked and read-only paths. The root is the new one. */
static void hide_paths(void) {
    static const char *masked_files[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug"};
    static const char *masked_dirs[] = {"/proc/acpi", "/proc/scsi", "/sys/firmware"};
    static const char *read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    for (size_t i = 0; i < sizeof masked_files / sizeof *masked_files; i++)
        bind_over("/dev/null", masked_files[i], 0);
    for (size_t i = 0; i < sizeof masked_dirs / sizeof *masked_dirs; i++)
        if (mount("tmpfs", masked_dirs[i], "tmpfs", MS_RDONLY, NULL) < 0 && errno != ENOENT)
            must(-1, "mask", masked_dirs[i]);
    for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++)
        bind_over(read_only[i], read_only[i], MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
}

static void pivot(void) {
    must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root", "root");
    must(umount2(".", MNT_DETACH), "unmount", "the old root"); /* It is stacked on the new one: pivot_root(2). */
    must(chdir("/"), "chdir", "/");
}

/* By the process itself and through `tasks`: what anybody else writes waits for the whole machine's forks. */
static void join_v1(const struct options *o) {
    for (int i = 0; i < o->v1_count; i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/tasks", o->v1[i]);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        must(fd, "open", path);
        must((int)write(fd, "0", 1), "join", path);
        close(fd);
    }
}

static int child(const struct options *o) {
    join_v1(o);
    mount_root(o);
    if (o->docker_like) {
        add_docker_mounts();
        bind_etc_files();
    }
    pivot();
    if (o->docker_like) hide_paths();
    must(sethostname("floor", 5), "sethostname", "floor");
    execv(o->command[0], o->command);
    must(-1, "exec", o->command[0]);
    return OURS;
}

static pid_t clone_child(const struct options *o) {
    struct clone_args args = {
        .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP |
                 (o->host_network ? 0 : CLONE_NEWNET),
        .exit_signal = SIGCHLD,
    };
    for (int i = 0; i < o->v1_count; i++) make_dir(o->v1[i]);
    if (o->cgroup) {
        make_dir(o->cgroup);
        int fd = open(o->cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
        must(fd, "open", o->cgroup);
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)fd;
    }
    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *ftw) {
    (void)s, (void)kind, (void)ftw;
    return remove(path);
}

/* The mounts died with the child's mount namespace; what they left in upper and work goes now. */
static void clean_up(const struct options *o) {
    static const char *made[] = {"upper", "work", "root"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        must(nftw(made[i], remove_one, 8, FTW_DEPTH | FTW_PHYS), "remove", made[i]);
    if (o->docker_like) must(unlink("etc-file"), "remove", "etc-file");
    if (o->cgroup) must(rmdir(o->cgroup), "remove", o->cgroup);
    for (int i = 0; i < o->v1_count; i++) must(rmdir(o->v1[i]), "remove", o->v1[i]);
}

static struct options parse(int argc, char **argv) {
    struct options o = {0};
    for (int flag; (flag = getopt(argc, argv, "+vndc:1:")) != -1;) {
        if (flag == 'v') o.is_volatile = 1;
        else if (flag == 'n') o.host_network = 1;
        else if (flag == 'd') o.docker_like = 1;
        else if (flag == 'c') o.cgroup = optarg;
        else if (flag == '1' && o.v1_count < MAX_CGROUPS) o.v1[o.v1_count++] = optarg;
        else exit(OURS);
    }
    if (argc - optind < 3) {
        fprintf(stderr, "usage: floor [-v] [-n] [-d] [-c CGROUP] [-1 CGROUP]... LOWER STATE COMMAND [ARG...]\n");
        exit(OURS);
    }
    o.lower = argv[optind];
    o.state = argv[optind + 1];
    o.command = argv + optind + 2;
    return o;
}

int main(int argc, char **argv) {
    struct options o = parse(argc, argv);
    must(chdir(o.state), "chdir", o.state);
    make_dir("upper");
    make_dir("work");
    make_dir("root");
    if (o.docker_like) close(open("etc-file", O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0644));

    pid_t pid = clone_child(&o);
    must(pid, "clone", "child");
    if (pid == 0) return child(&o);
    int status;
    must(waitpid(pid, &status, 0), "wait for", o.command[0]);
    clean_up(&o);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
