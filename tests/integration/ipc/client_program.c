/* SPDX-License-Identifier: Apache-2.0
 *
 * Says what its arguments tell it through libvtask_client and prints the
 * answers; plain C, as a stranger's tool would be. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vtask/client.h"

static void *Storm(void *argument) {
  vtask_client *client = argument;
  char path[32];
  for (int i = 0; i < 250; ++i) {
    snprintf(path, sizeof path, "/storm/%d", i);
    if (vtask_client_ignore_output(client, path) != VTASK_CLIENT_OK) {
      abort();
    }
    char *value = NULL;
    vtask_client_get_env(client, "SHOWN", VTASK_CLIENT_UNTRACKED, &value, NULL);
    if (value == NULL || strcmp(value, "yes") != 0) {
      abort();
    }
    free(value);
  }
  return NULL;
}

static void PrintAll(int result, vtask_client_variable *variables,
                     size_t count) {
  printf("%d", result);
  for (size_t i = 0; i < count; ++i) {
    printf(" %s=%s", variables[i].name, variables[i].value);
  }
  printf("\n");
  free(variables);
}

static void Do(vtask_client *client, const char *what, const char *with) {
  char *value = NULL;
  size_t size = 0;
  vtask_client_variable *variables = NULL;
  if (strcmp(what, "ignore-input") == 0) {
    printf("%d\n", vtask_client_ignore_input(client, with));
  } else if (strcmp(what, "ignore-output") == 0) {
    printf("%d\n", vtask_client_ignore_output(client, with));
  } else if (strcmp(what, "track-input") == 0) {
    printf("%d\n", vtask_client_track_input(client, with));
  } else if (strcmp(what, "track-output") == 0) {
    printf("%d\n", vtask_client_track_output(client, with));
  } else if (strcmp(what, "track-value") == 0) {
    printf("%d\n", vtask_client_track_value(client, "key", with, strlen(with)));
  } else if (strcmp(what, "disable-cache") == 0) {
    printf("%d\n", vtask_client_disable_cache(client, with));
  } else if (strcmp(what, "get-env") == 0) {
    const int result = vtask_client_get_env(client, with, 1, &value, &size);
    printf("%d %s %zu\n", result, value == NULL ? "(none)" : value, size);
    free(value);
  } else if (strcmp(what, "get-envs") == 0) {
    const int result =
        vtask_client_get_envs(client, with, 1, &variables, &size);
    PrintAll(result, variables, size);
  } else if (strcmp(what, "get-prefix") == 0) {
    const int result =
        vtask_client_get_envs_with_prefix(client, with, 1, &variables, &size);
    PrintAll(result, variables, size);
  } else if (strcmp(what, "state") == 0) {
    printf("%d [%s]\n", vtask_client_is_active(client),
           vtask_client_error(client));
  } else if (strcmp(what, "sync") == 0) {
    printf("%d\n", vtask_client_sync(client));
  } else if (strcmp(what, "chdir") == 0) {
    printf("%d\n", chdir(with));
  } else if (strcmp(what, "threads") == 0) {
    pthread_t threads[4];
    for (int i = 0; i < 4; ++i) {
      pthread_create(&threads[i], NULL, Storm, client);
    }
    for (int i = 0; i < 4; ++i) {
      pthread_join(threads[i], NULL);
    }
    printf("done\n");
  } else if (strcmp(what, "fork") == 0) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      Do(client, "ignore-input", with);
      Do(client, "sync", "");
      Do(client, "get-envs", "SHO*");
      exit(0);
    }
    waitpid(child, NULL, 0);
  } else {
    abort();
  }
}

int main(int argc, char **argv) {
  vtask_client *client =
      strcmp(argv[1], "null") == 0 ? NULL : vtask_client_open();
  for (int i = 2; i + 1 < argc; i += 2) {
    Do(client, argv[i], argv[i + 1]);
  }
  vtask_client_close(client);
  return 0;
}
