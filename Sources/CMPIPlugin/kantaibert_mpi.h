#pragma once
#include <stddef.h>
#include <stdint.h>

// The interface between kantaibert-train and its MPI plugins. Each plugin is plugin.c compiled by the compiler wrapper of
// one MPI implementation, whose types and constants differ from those of the others and stay inside the plugin.
//
// All functions must be called from the thread that called `start`.

#define KB_MPI_INTERFACE 1

enum kb_mpi_status {
    KB_MPI_OK = 0,
    KB_MPI_FAILED = 1,  // a call of MPI failed: `reason` describes it
    KB_MPI_SILENT = 2,  // nothing was sent or received for `silence_seconds`
};

// A message of this process, either sent to `peer` or received from it. Messages from one process to another arrive in
// the order in which they were sent.
struct kb_mpi_message {
    void *bytes;
    size_t count;
    int peer;
    int is_received;
};

struct kb_mpi_plugin {
    // KB_MPI_INTERFACE of the plugin; the other members are valid only if it is that of the caller.
    uint32_t interface;
    // Starts MPI. Aborts the program, by default, if that fails.
    int (*start)(void);
    int (*rank)(void);
    int (*size)(void);
    // Writes name and version of the implementation, ended by a NUL byte.
    void (*library)(char *text, size_t capacity);
    // Sends and receives all messages, and returns when all of them are done. After any result but KB_MPI_OK, no further
    // exchange is possible. `unfinished` is the index of the first message that is not done.
    int (*exchange)(const struct kb_mpi_message *messages, size_t count, double silence_seconds, size_t *unfinished);
    // Writes a description of the last failure, ended by a NUL byte.
    void (*reason)(char *text, size_t capacity);
    // Ends all processes of the job. Does not return.
    void (*abort)(int status);
    // Ends MPI after all messages are done. Waits for the other processes.
    void (*end)(void);
};

// The only symbol of a plugin: const struct kb_mpi_plugin *kb_mpi_plugin(void)
#define KB_MPI_SYMBOL "kb_mpi_plugin"
typedef const struct kb_mpi_plugin *(*kb_mpi_plugin_function)(void);
