// SPDX-License-Identifier: Apache-2.0
//
// The benchmark's compiler, about 2 ms. In the package it is started in it
//  - lists src/ and reads every file in it,
//  - reads deps.txt (one package directory a line), lists DIRECTORY/dist of
//    each and reads every file there,
//  - writes dist/index.js (16 KiB), dist/index.d.ts and dist/meta.json, which
//    depend on every byte read.
//
//   compile [--out DIRECTORY] [--prefix PREFIX of the directories in deps.txt]

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t hash = 1469598103934665603ull;  // FNV-1a
static unsigned files;

static void Fail(const char* what) {
  perror(what);
  exit(1);
}

static void Mix(const char* bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211ull;
  }
}

static void EatFile(int directory, const char* name) {
  static char buffer[1 << 16];
  const int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    Fail(name);
  }
  ssize_t size;
  while ((size = read(fd, buffer, sizeof buffer)) > 0) {
    Mix(buffer, (size_t)size);
  }
  if (size < 0) {
    Fail(name);
  }
  close(fd);
  ++files;
}

static int NotHidden(const struct dirent* entry) {
  return entry->d_name[0] != '.';
}

static void EatDirectory(const char* path) {
  struct dirent** entries;
  const int count = scandir(path, &entries, NotHidden, alphasort);
  const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (count < 0 || directory < 0) {
    Fail(path);
  }
  for (int i = 0; i < count; ++i) {
    Mix(entries[i]->d_name, strlen(entries[i]->d_name));
    EatFile(directory, entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
  close(directory);
}

static void EatDependencies(const char* prefix) {
  FILE* list = fopen("deps.txt", "re");
  if (list == NULL) {
    return;
  }
  char line[512];
  char path[2048];
  while (fgets(line, sizeof line, list) != NULL) {
    line[strcspn(line, "\n")] = 0;
    if (line[0] != 0) {
      snprintf(path, sizeof path, "%s%s/dist", prefix, line);
      EatDirectory(path);
    }
  }
  fclose(list);
}

static void Write(const char* directory, const char* name, const char* text) {
  char path[2048];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const size_t size = strlen(text);
  if (fd < 0 || write(fd, text, size) != (ssize_t)size || close(fd) != 0) {
    Fail(path);
  }
}

int main(int argc, char** argv) {
  const char* out = "dist";
  const char* prefix = "";
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--out") == 0) {
      out = argv[i + 1];
    } else if (strcmp(argv[i], "--prefix") == 0) {
      prefix = argv[i + 1];
    }
  }
  EatDirectory("src");
  EatDependencies(prefix);
  if (mkdir(out, 0755) != 0 && errno != EEXIST) {
    Fail(out);
  }
  static char text[1 << 16];
  size_t size = 0;
  uint64_t number = hash;
  for (int i = 0; i < 256; ++i) {
    number = number * 6364136223846793005ull + 1442695040888963407ull;
    size += (size_t)sprintf(
        text + size, "export const value%03d = \"%016llx%016llx\";\n", i,
        (unsigned long long)number, (unsigned long long)~number);
  }
  Write(out, "index.js", text);
  sprintf(text, "export declare const hash: \"%016llx\";\n",
          (unsigned long long)hash);
  Write(out, "index.d.ts", text);
  sprintf(text, "{\"hash\": \"%016llx\"}\n", (unsigned long long)hash);
  Write(out, "meta.json", text);
  printf("built %016llx from %u files\n", (unsigned long long)hash, files);
  return 0;
}
