"""Work ahead: in order, bounded, and its errors reach who asks."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from clnorm.data.store.ahead import map_ahead


def test_results_come_in_order_and_no_more_are_begun_than_allowed():
    begun = []
    with ThreadPoolExecutor(1) as pool:
        results = map_ahead(pool, lambda item: (begun.append(item), item * item)[1], range(10), ahead=3)
        assert next(results) == 0
        pool.submit(lambda: None).result()  # the only thread has done all that was begun
        assert begun == [0, 1, 2, 3]
        assert list(results) == [1, 4, 9, 16, 25, 36, 49, 64, 81]


def test_an_error_comes_in_its_place():
    with ThreadPoolExecutor(2) as pool:
        results = map_ahead(pool, lambda item: 6 // item, [3, 2, 0, 1], ahead=4)
        assert [next(results), next(results)] == [2, 3]
        with pytest.raises(ZeroDivisionError):
            next(results)
