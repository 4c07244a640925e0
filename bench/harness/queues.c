// A binary heap by time, and an unordered list; both know where each entry is, so that it may leave at any time.
#include "queues.h"

struct waiting *heap[CONNECTIONS_MAX + 1];
int heap_count;
struct waiting *list[CONNECTIONS_MAX + 1];
int list_count;

static void put(int place, struct waiting *one) {
    heap[place] = one;
    one->heap_place = place;
}

static void rise(int place) {
    struct waiting *one = heap[place];
    for (; place > 1 && heap[place / 2]->due_ns > one->due_ns; place /= 2)
        put(place, heap[place / 2]);
    put(place, one);
}

static void sink(int place) {
    struct waiting *one = heap[place];
    for (int child; (child = 2 * place) <= heap_count; place = child) {
        if (child < heap_count && heap[child + 1]->due_ns < heap[child]->due_ns) child++;
        if (heap[child]->due_ns >= one->due_ns) break;
        put(place, heap[child]);
    }
    put(place, one);
}

void heap_add(struct waiting *one) {
    put(++heap_count, one);
    rise(heap_count);
}

void heap_remove(struct waiting *one) {
    int place = one->heap_place;
    if (!place) return;
    one->heap_place = 0;
    struct waiting *last = heap[heap_count--];
    if (last == one) return;
    put(place, last);
    rise(place);
    sink(last->heap_place);
}

void heap_later(struct waiting *first) {
    sink(first->heap_place);
}

void list_add(struct waiting *one) {
    if (one->list_place) return;
    list[++list_count] = one;
    one->list_place = list_count;
}

void list_remove(struct waiting *one) {
    int place = one->list_place;
    if (!place) return;
    one->list_place = 0;
    struct waiting *last = list[list_count--];
    if (last == one) return;
    list[place] = last;
    last->list_place = place;
}
