// An MPI plugin of kantaibert-train: see kantaibert_mpi.h. Built by `make mpi` for each MPI implementation found.
#include "kantaibert_mpi.h"

#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Messages of MPI have an `int` as their length. Parts of this size also show whether a long message makes progress.
#define PART_BYTES ((size_t)16 << 20)
#define TAG 1

static char failure[256];

static int fail(const char *call, int error) {
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    if (MPI_Error_string(error, text, &length) != MPI_SUCCESS) length = 0;
    snprintf(failure, sizeof failure, "%s: %.*s", call, length, text);
    return KB_MPI_FAILED;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int start(void) {
    int provided = 0;
    int error = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    if (error != MPI_SUCCESS) return fail("MPI_Init_thread", error);
    if (provided < MPI_THREAD_FUNNELED) {
        snprintf(failure, sizeof failure, "MPI_Init_thread: the library does not support programs with threads");
        return KB_MPI_FAILED;
    }
    error = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    return error == MPI_SUCCESS ? KB_MPI_OK : fail("MPI_Comm_set_errhandler", error);
}

static int rank_of_process(void) {
    int rank = -1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

static int number_of_processes(void) {
    int size = -1;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    return size;
}

static void copy(char *text, size_t capacity, const char *source) {
    if (capacity > 0) snprintf(text, capacity, "%s", source);
}

static void library(char *text, size_t capacity) {
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    MPI_Get_library_version(version, &length);
    version[strcspn(version, ",\n")] = 0;
    for (char *at = version; *at; at++) {
        if (*at == '\t') *at = ' ';
    }
    copy(text, capacity, version);
}

static void reason(char *text, size_t capacity) { copy(text, capacity, failure); }

static size_t parts_of(size_t count) { return count == 0 ? 1 : (count + PART_BYTES - 1) / PART_BYTES; }

// Gives the processor to other ranks of this machine while it waits, at first without sleeping.
static void pause_after(int polls) {
    if (polls < 1000) {
        sched_yield();
    } else {
        nanosleep(&(struct timespec){.tv_nsec = polls < 10000 ? 50000 : 1000000}, NULL);
    }
}

static int wait_for_all(MPI_Request *requests, int *done, int count, double silence_seconds) {
    double last = now();
    int left = count;
    int polls = 0;
    while (left > 0) {
        int completed = 0;
        int error = MPI_Testsome(count, requests, &completed, done, MPI_STATUSES_IGNORE);
        if (error != MPI_SUCCESS) return fail("MPI_Testsome", error);
        if (completed == MPI_UNDEFINED) break;
        if (completed > 0) {
            left -= completed;
            last = now();
            polls = 0;
            continue;
        }
        if (now() - last > silence_seconds) return KB_MPI_SILENT;
        pause_after(polls++);
    }
    return KB_MPI_OK;
}

static int exchange(
    const struct kb_mpi_message *messages, size_t count, double silence_seconds, size_t *unfinished) {
    *unfinished = 0;
    size_t total = 0;
    for (size_t i = 0; i < count; i++) total += parts_of(messages[i].count);
    if (total == 0) return KB_MPI_OK;
    if (total > INT_MAX / 2) {
        snprintf(failure, sizeof failure, "too many messages at once: %zu", total);
        return KB_MPI_FAILED;
    }
    MPI_Request *requests = malloc(total * sizeof *requests);
    int *done = malloc(total * sizeof *done);
    size_t *owner = malloc(total * sizeof *owner);
    int status = KB_MPI_OK;
    size_t begun = 0;
    if (!requests || !done || !owner) {
        snprintf(failure, sizeof failure, "no memory for %zu messages", total);
        status = KB_MPI_FAILED;
    }
    for (size_t i = 0; i < count && status == KB_MPI_OK; i++) {
        const struct kb_mpi_message *message = &messages[i];
        size_t at = 0;
        do {
            size_t part = message->count - at < PART_BYTES ? message->count - at : PART_BYTES;
            char *bytes = (char *)message->bytes + at;
            int error = message->is_received
                ? MPI_Irecv(bytes, (int)part, MPI_BYTE, message->peer, TAG, MPI_COMM_WORLD, &requests[begun])
                : MPI_Isend(bytes, (int)part, MPI_BYTE, message->peer, TAG, MPI_COMM_WORLD, &requests[begun]);
            if (error != MPI_SUCCESS) {
                status = fail(message->is_received ? "MPI_Irecv" : "MPI_Isend", error);
                *unfinished = i;
                break;
            }
            owner[begun++] = i;
            at += part;
        } while (at < message->count);
    }
    if (status == KB_MPI_OK) {
        status = wait_for_all(requests, done, (int)begun, silence_seconds);
        for (size_t part = 0; status != KB_MPI_OK && part < begun; part++) {
            if (requests[part] == MPI_REQUEST_NULL) continue;
            *unfinished = owner[part];
            break;
        }
    }
    free(requests);
    free(done);
    free(owner);
    return status;
}

static void end_all(int status) {
    MPI_Abort(MPI_COMM_WORLD, status);
    _Exit(status);
}

static void end(void) { MPI_Finalize(); }

__attribute__((visibility("default"))) const struct kb_mpi_plugin *kb_mpi_plugin(void) {
    static const struct kb_mpi_plugin plugin = {
        .interface = KB_MPI_INTERFACE, .start = start, .rank = rank_of_process, .size = number_of_processes,
        .library = library, .exchange = exchange, .reason = reason, .abort = end_all, .end = end,
    };
    return &plugin;
}
