// Which streams write next: those that wait for their time (a heap), and those that write as fast as they may (a list).
#pragma once
#include <stdint.h>

#define CONNECTIONS_MAX 65536

// A place in each of the two; embedded in whatever waits. 0 says that it waits in none.
struct waiting {
    uint64_t due_ns;
    int heap_place;
    int list_place;
};

extern struct waiting *heap[CONNECTIONS_MAX + 1]; // heap[1] is due first
extern int heap_count;
extern struct waiting *list[CONNECTIONS_MAX + 1]; // list[1] to list[list_count]
extern int list_count;

void heap_add(struct waiting *one);
void heap_remove(struct waiting *one);
void heap_later(struct waiting *first); // heap[1], whose time has been moved
void list_add(struct waiting *one);
void list_remove(struct waiting *one);
