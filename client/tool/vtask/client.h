/* SPDX-License-Identifier: Apache-2.0
 *
 * libvtask_client: how a tool inside a task tells vtask what it really read,
 * wrote and cared about. Plain C, needs libc and nothing else.
 *
 *   vtask_client *client = vtask_client_open();
 *   vtask_client_ignore_output(client, ".cache");
 *   char *mode = NULL;
 *   vtask_client_get_env(client, "MY_MODE", VTASK_CLIENT_TRACKED, &mode, NULL);
 *   ...
 *   free(mode);
 *   vtask_client_close(client);
 *
 * Outside of a run every report does nothing and succeeds, and variables come
 * from the process's own environment: a tool calls the same functions always.
 *
 * Threads: a client may be used by any number of threads at once. After fork(2)
 * the child may go on using it: it gets a connection of its own. Not to be used
 * in signal handlers.
 *
 * Errors: functions return VTASK_CLIENT_OK or one of the negative numbers below;
 * no errno. None is a reason for a tool to fail. Never renumber.
 */
#ifndef VTASK_CLIENT_H_
#define VTASK_CLIENT_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  VTASK_CLIENT_OK = 0,
  /* An argument is null, empty, too long (1 MiB), or a relative path while the
   * working directory is gone; or the daemon refused it (a broken glob). */
  VTASK_CLIENT_INVALID = -1,
  /* The endpoint does not answer any more. The run is then not stored. */
  VTASK_CLIENT_GONE = -2,
  VTASK_CLIENT_NO_MEMORY = -3
};

enum {
  /* The answer does not count: a change of the variable is no miss. */
  VTASK_CLIENT_UNTRACKED = 0,
  /* The result depends on the answer. */
  VTASK_CLIENT_TRACKED = 1
};

typedef struct vtask_client vtask_client;

/* Connects to the endpoint of the task that this process runs in (VT_IPC, or
 * VP_RUN_IPC_NAME). Waits at most 10 seconds. Never null, but when memory is
 * out; all functions take a null client for one outside of a run. */
vtask_client *vtask_client_open(void);

/* Everything reported before has been written; it is taken before the task
 * counts as ended. */
void vtask_client_close(vtask_client *client);

/* 1: there is an endpoint that listens. 0: outside of a run, or it is gone. */
int vtask_client_is_active(vtask_client *client);

/* Why there is no endpoint that listens, in English: an empty string outside of
 * a run, or while all is well. Valid until the client is closed. */
const char *vtask_client_error(vtask_client *client);

/* Reads at and below `path` do not make the task run again. Paths are bytes as
 * the tool spells them; relative ones start at the working directory. Reports
 * cost one write and wait for no answer. */
int vtask_client_ignore_input(vtask_client *client, const char *path);

/* Writes at and below `path` are neither stored nor restored. */
int vtask_client_ignore_output(vtask_client *client, const char *path);

/* `path` counts as read, or as written, although nobody saw it: what a helper
 * process outside of the task did. */
int vtask_client_track_input(vtask_client *client, const char *path);
int vtask_client_track_output(vtask_client *client, const char *path);

/* The result depends on `value` too, an opaque string of bytes: another value
 * under the same key is another result. */
int vtask_client_track_value(vtask_client *client, const char *key,
                             const void *value, size_t size);

/* This run is not to be stored. `reason` (may be null) is shown to the user:
 * one sentence without a period, at most 4096 bytes. */
int vtask_client_disable_cache(vtask_client *client, const char *reason);

/* The variable as `vt run` was given it, also if the task's own environment
 * leaves it out. `*value` is NUL-terminated, to be freed by free(3); null if
 * there is no such variable. `size` may be null. */
int vtask_client_get_env(vtask_client *client, const char *name, int tracked,
                         char **value, size_t *size);

typedef struct vtask_client_variable {
  const char *name;
  const char *value;
} vtask_client_variable;

/* All variables whose whole name matches a glob (`*`, `?`, `[a-z]`, `[!a]`,
 * `{a,b}`, `\`), or begins with a prefix, sorted by name. `*variables` is one
 * block for free(3); null with a count of 0. The glob `*` and the empty prefix
 * match nothing: asking for everything would tie the result to everything. */
int vtask_client_get_envs(vtask_client *client, const char *glob, int tracked,
                          vtask_client_variable **variables, size_t *count);
int vtask_client_get_envs_with_prefix(vtask_client *client, const char *prefix,
                                      int tracked,
                                      vtask_client_variable **variables,
                                      size_t *count);

/* Waits, at most 10 seconds, until everything reported has been taken. */
int vtask_client_sync(vtask_client *client);

#ifdef __cplusplus
}
#endif

#endif /* VTASK_CLIENT_H_ */
