/*
 * Runs a command and says which of its own functions were called, in the order of their first call.
 *
 *   trace FUNCTIONS OUTPUT COMMAND [ARG...]
 *     FUNCTIONS   a file of addresses in the program's file, hexadecimal, one a line: `nm`'s first column
 *     OUTPUT      gets those that were called
 *
 * At each function stands a breakpoint (x86: 0xCC) until it is reached for the first time. Children are followed until
 * they execute something else; the command itself is followed through its exec, for isolazi executes itself again.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_BYTES = 64 << 20, MAX_FUNCTIONS = 1 << 16, BREAKPOINT = 0xCC, LIMIT_S = 120 };

static unsigned functions[MAX_FUNCTIONS], called[MAX_FUNCTIONS];
static int function_count, called_count;
static unsigned char original[MAX_BYTES], is_function[MAX_BYTES], is_called[MAX_BYTES];
static unsigned long base;

static void die(const char *what) { fprintf(stderr, "trace: can't %s: %s\n", what, strerror(errno)); exit(1); }

static int open_of(pid_t pid, const char *name, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) die("open a file of the process");
    return fd;
}

/* Where the program was loaded: its program headers follow the ELF header. */
static unsigned long base_of(pid_t pid) {
    Elf64_auxv_t entry;
    int fd = open_of(pid, "auxv", O_RDONLY);
    while (read(fd, &entry, sizeof entry) == sizeof entry && entry.a_type != AT_PHDR) {}
    close(fd);
    return entry.a_un.a_val - sizeof(Elf64_Ehdr);
}

static void set_breakpoints(pid_t pid) {
    base = base_of(pid);
    int memory = open_of(pid, "mem", O_RDWR);
    const unsigned char byte = BREAKPOINT;
    for (int i = 0; i < function_count; i++) {
        unsigned at = functions[i];
        if (pread(memory, &original[at], 1, (off_t)(base + at)) != 1) die("read the program");
        if (!is_called[at] && pwrite(memory, &byte, 1, (off_t)(base + at)) != 1) die("write a breakpoint");
    }
    close(memory);
}

static void step_over(pid_t pid) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, 0, &registers) < 0) die("read registers");
    unsigned long at = registers.rip - 1 - base;
    if (at >= MAX_BYTES || !is_function[at]) return;
    if (!is_called[at]) called[called_count++] = (unsigned)at;
    is_called[at] = 1;
    int memory = open_of(pid, "mem", O_RDWR);
    if (pwrite(memory, &original[at], 1, (off_t)(base + at)) != 1) die("take a breakpoint away");
    close(memory);
    registers.rip -= 1;
    if (ptrace(PTRACE_SETREGS, pid, 0, &registers) < 0) die("write registers");
}

static void follow(pid_t command) {
    int status;
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0) return;
        if (!WIFSTOPPED(status)) {
            if (pid == command) return;
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16, pass = 0;
        if (event == PTRACE_EVENT_EXEC && pid != command) {
            ptrace(PTRACE_DETACH, pid, 0, 0);
            continue;
        }
        if (event == PTRACE_EVENT_EXEC) set_breakpoints(pid);
        else if (!event && signal == SIGTRAP) step_over(pid);
        else if (!event && signal != SIGSTOP) pass = signal;
        ptrace(PTRACE_CONT, pid, 0, pass);
    }
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    FILE *list = fopen(argv[1], "re");
    if (!list) die("open the list");
    for (unsigned at; function_count < MAX_FUNCTIONS && fscanf(list, "%x", &at) == 1;)
        if (at < MAX_BYTES) is_function[functions[function_count++] = at] = 1;
    fclose(list);

    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        alarm(LIMIT_S);
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execv(argv[3], argv + 3);
        die("execute the command");
    }
    waitpid(pid, NULL, 0);
    /* Whoever is left when we end would run into our breakpoints: it is killed. */
    long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                   PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, pid, 0, options) < 0) die("trace");
    set_breakpoints(pid);
    ptrace(PTRACE_CONT, pid, 0, 0);
    follow(pid);

    FILE *output = fopen(argv[2], "we");
    if (!output) die("open the output");
    for (int i = 0; i < called_count; i++) fprintf(output, "%x\n", called[i]);
    return fclose(output) ? 1 : 0;
}
