// The jobs as @bitrix24/b24jssdk does them, on Node. The numbers and the checks are those of jobs.py.

import { ApiVersion, B24Hook } from '@bitrix24/b24jssdk'
import assert from 'node:assert'

const BATCH_SIZE = 50
const UNLIMITED = { burstLimit: 1e6, drainRate: 1e6, adaptiveEnabled: false }
const LIMITED = { burstLimit: 50, drainRate: 10, adaptiveEnabled: true }
const PORTAL_LIMITED = { burstLimit: 50, drainRate: 2, adaptiveEnabled: true }
const METHOD = 'crm.deal.list'

const numbers = (count, first = 1) => Array.from({ length: count }, (_, place) => first + place)
const get = (number) => ['crm.deal.get', { id: number }]
const add = (number) => ['crm.deal.add', { fields: fields(number) }]
const fields = (number) => ({
  TITLE: `Сделка № ${number} & Co`, STAGE_ID: 'NEW', OPPORTUNITY: number * 10, CONTACT_ID: number
})

// It knows https only.
function client(url, rateLimit = UNLIMITED) {
  const { origin, pathname } = new URL(url)
  const [, , userId, secret] = pathname.split('/')
  const portal = new B24Hook({ b24Url: origin, userId: Number(userId), secret }, { restrictionParams: { rateLimit } })
  portal.getHttpClient(ApiVersion.v2).ajaxClient.interceptors.request.use((config) => {
    config.url = config.url.replace('https://', 'http://')
    return config
  })
  return portal
}

function data(answer) {
  assert(answer.isSuccess, answer.getErrorMessages().join())
  return answer.getData()
}

function writes(count) {
  const calls = numbers(count).map(add)
  return {
    work: async (url) => data(await client(url).actions.v2.batchByChunk.make({ calls })),
    check: (ids) => assert.deepEqual(ids, numbers(count))
  }
}

function batches(count, size) {
  return numbers(count, 0).map((batch) => Object.fromEntries(
    numbers(size, batch * size + 1).map((number) => [`deal${number}`, get(number)])
  ))
}

const checkNamed = (count) => (found) => {
  assert.equal(Object.keys(found).length, count)
  for (const [name, deal] of Object.entries(found)) assert.equal(`deal${deal.ID}`, name)
}

function named() {
  const work = async (url) => {
    const portal = client(url)
    const found = {}
    for (const calls of batches(40, BATCH_SIZE)) Object.assign(found, data(await portal.actions.v2.batch.make({ calls })))
    return found
  }
  return { work, check: checkNamed(2000) }
}

function smallNamed(rateLimit) {
  const work = async (url) => {
    const portal = client(url, rateLimit)
    const answers = await Promise.all(batches(200, 5).map((calls) => portal.actions.v2.batch.make({ calls })))
    return Object.assign({}, ...answers.map(data))
  }
  return { work, check: checkNamed(1000), note: 'all batches awaited together' }
}

// What the caller knows after a run of which some got lost.
function told(count) {
  const { work } = writes(count)
  return {
    work: async (url) => work(url).then((ids) => `${ids.length} ids`, (error) => `${error.name}, no ids`),
    check: () => {}
  }
}

function lists() {
  const select = ['ID', 'TITLE', 'STAGE_ID', 'OPPORTUNITY']
  const calls = numbers(BATCH_SIZE, 0).map((category) => [METHOD, { filter: { CATEGORY_ID: category }, select }])
  const work = async (url) => {
    const portal = client(url)
    const found = []
    for (let batch = 0; batch < 20; batch++) found.push(data(await portal.actions.v2.batch.make({ calls })))
    return found
  }
  const check = (found) => {
    assert.equal(found.length, 20)
    const expected = numbers(BATCH_SIZE * BATCH_SIZE).map(String)
    for (const pages of found) assert.deepEqual(pages.flat().map((row) => row.ID), expected)
  }
  return { work, check }
}

function rows(total) {
  const work = async (url) => {
    let count = 0, sum = 0
    for await (const page of client(url).actions.v2.fetchList.make({ method: METHOD })) {
      for (const row of page) {
        count += 1
        sum += Number(row.ID)
      }
    }
    return [count, sum]
  }
  return { work, check: (found) => assert.deepEqual(found, [total, total * (total + 1) / 2]) }
}

function single(count, rateLimit) {
  const work = async (url) => {
    const portal = client(url, rateLimit)
    const found = []
    for (const [method, params] of numbers(count).map(get)) {
      found.push(data(await portal.actions.v2.call.make({ method, params })).result)
    }
    return found
  }
  return { work, check: (found) => assert.deepEqual(found.map((deal) => Number(deal.ID)), numbers(count)) }
}

const jobs = {
  writes: () => writes(10000),
  named,
  lists,
  rows: () => rows(100000),
  calls: () => single(200, UNLIMITED),
  limited: () => single(60, LIMITED),
  near: () => writes(1000),
  far: () => writes(1000),
  busy: () => writes(1000),
  busy_rows: () => rows(20000),
  busy_named: () => smallNamed(UNLIMITED),
  busy_limited: () => smallNamed(PORTAL_LIMITED),
  lost: () => told(1000),
  error: () => told(1000)
}

const [name, url] = process.argv.slice(2)
const { work, check, note } = jobs[name]()
const begun = performance.now()
const found = await work(url)
const wall = (performance.now() - begun) / 1000
check(found)
const said = typeof found === 'string' ? found : note
console.log(JSON.stringify({ wall, note: said ? `on Node; ${said}` : 'on Node' }))
process.exit(0)
